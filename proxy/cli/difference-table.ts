import { fieldsOf, told } from './fields.ts'
import { table } from './table.ts'

/** What differs between the policy that is in force and another one. */
export const differenceTable = (differences: readonly unknown[]): string =>
  differences.length === 0
    ? 'No difference.'
    : table(
        [{ title: 'path', limit: 100 }, 'now', 'then'],
        differences.map(fieldsOf).map(({ path, from, to }) => [told(path), shown(from), shown(to)]),
      )

/** As JSON, so that a text "5" is not a number, nor a text "-" a key that is not there. */
const shown = (value: unknown): string => (value === undefined ? '-' : JSON.stringify(value))
