import type { Block } from '../state/blocks/block.ts'
import type { BlockOrder } from '../state/blocks/block-store.ts'

interface Circumstances {
  readonly author: string
  readonly nowMs: number
  /** Of the policy. */
  readonly forgetAfterSeconds: number
  /** What there was of the same range. */
  readonly before: Block | undefined
}

/** An operator's block. It counts as one more in a row, unless it takes the place of one that still holds. */
export const manualBlock = (
  { range, untilMs, reason }: Pick<Block, 'range' | 'untilMs' | 'reason'>,
  { author, nowMs, forgetAfterSeconds, before }: Circumstances,
): BlockOrder => ({
  ...{ range, source: 'manual', author, reason, sinceMs: nowMs, untilMs },
  forgetAtMs: untilMs + forgetAfterSeconds * 1_000,
  count: before === undefined ? 1 : before.untilMs > nowMs ? before.count : before.count + 1,
})
