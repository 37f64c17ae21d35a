import { fieldsOf, told } from './fields.ts'
import { table } from './table.ts'

const REASON = { title: 'reason', limit: 100 }

/** Blocks below one another. */
export const blockTable = (blocks: readonly unknown[]): string =>
  table(
    ['range', 'source', 'by', 'since', 'until', 'count', REASON],
    blocks.map(blockRow).map((row) => [row.range, row.source, row.who, row.since, row.until, row.count, row.reason]),
  )

/** What there is to say of a block, in words. */
export const blockRow = (block: unknown) => {
  const { range, source, author, since, until, count, reason } = fieldsOf(block)
  return {
    ...{ range: told(range), source: told(source), who: told(author), since: told(since), count: told(count) },
    until: until === null ? 'permanent' : told(until),
    reason: reason === '' ? '-' : told(reason),
  }
}
