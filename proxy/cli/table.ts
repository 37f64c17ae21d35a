import { printable } from './printable.ts'

/** What fits beside other cells on a wide terminal. */
const CELL_LIMIT = 60

export interface Column {
  readonly title: string
  /** In characters; longer cells are shortened. */
  readonly limit?: number
}

/** Rows below titles, set apart by blanks as `kubectl` does it; what is in the cells is made safe to print. */
export const table = (columns: readonly (string | Column)[], rows: readonly (readonly string[])[]): string => {
  const shapes = columns.map((column) => (typeof column === 'string' ? { title: column } : column))
  const lines = [
    shapes.map(({ title }) => title.toUpperCase()),
    ...rows.map((cells) => shapes.map(({ limit = CELL_LIMIT }, index) => shortened(cells[index] ?? '', limit))),
  ]
  const widths = shapes.map((_, index) => Math.max(...lines.map((cells) => lengthOf(cells[index] ?? ''))))
  return lines
    .map((cells) => cells.map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - lengthOf(cell))).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}

const lengthOf = (text: string): number => [...text].length

const shortened = (text: string, limit: number): string => {
  // Before it is made printable, too: a cell may be a mebibyte, and an escape takes six characters.
  const characters = [...printable(text.slice(0, 2 * limit + 2))]
  return characters.length <= limit ? characters.join('') : `${characters.slice(0, limit - 1).join('')}…`
}
