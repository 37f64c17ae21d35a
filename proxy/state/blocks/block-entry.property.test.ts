import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Block } from './block.ts'
import { blockText, readEntry, unblockedText } from './block-entry.ts'

const ms = fc.integer({ min: 0, max: 4_102_444_800_000 })
const end = fc.oneof(ms, fc.constant(Number.POSITIVE_INFINITY))
const RANGE = '198.51.100.0/24'

const block: fc.Arbitrary<Block> = fc.record({
  range: fc.constant(RANGE),
  source: fc.constantFrom('auto' as const, 'manual' as const),
  author: fc.string(),
  reason: fc.string({ unit: 'binary' }),
  sinceMs: ms,
  untilMs: end,
  forgetAtMs: end,
  count: fc.integer({ min: 1, max: 1_000 }),
  stamp: ms,
})

it('a block is read as it was written, whatever its words hold', () => {
  fc.assert(
    fc.property(block, (given) => {
      expect(readEntry(RANGE, blockText(given))).toEqual({ kind: 'block', block: given })
    }),
  )
})

it('an unblock is read as it was written', () => {
  fc.assert(
    fc.property(ms, ms, (stamp, seenStamp) => {
      const unblocked = { range: RANGE, stamp, seenStamp }
      expect(readEntry(RANGE, unblockedText(unblocked))).toEqual({ kind: 'unblocked', unblocked })
    }),
  )
})

it('anything else is no entry, and does not throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => `1 b 2 ${json}`),
      ),
      (text) => {
        expect(readEntry(RANGE, text)).toBeUndefined()
      },
    ),
  )
})
