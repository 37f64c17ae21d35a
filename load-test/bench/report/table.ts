import type { Spread } from '../statistics.ts'

/** A Markdown table; the first column is text, the others are figures. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'))
  return `${[head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

/** What stands where there is no figure. */
export const NONE = '–'

/** With two or three significant digits, and all that stand before the point. */
export const figure = (value: number | undefined): string => {
  if (value === undefined || Number.isNaN(value)) return NONE
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(size >= 10 ? 1 : 2)
}

export const megabytes = (bytes: number | undefined): string =>
  bytes === undefined ? NONE : String(Math.round(bytes / 1e6))

export const milliseconds = (micros: number | undefined): string =>
  micros === undefined || Number.isNaN(micros) ? NONE : (micros / 1_000).toFixed(2)

export const times = (ratio: number | undefined): string => (ratio === undefined ? NONE : `${ratio.toFixed(2)}×`)

export const withSpread = (found: Spread | undefined): string =>
  found === undefined ? NONE : `${figure(found.median)} (${figure(found.min)}–${figure(found.max)})`
