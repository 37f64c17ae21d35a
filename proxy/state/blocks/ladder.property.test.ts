import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type LadderRules, nextBlock } from './ladder.ts'

const rules: fc.Arbitrary<LadderRules> = fc
  .record({
    firstBlockSeconds: fc.integer({ min: 1, max: 3_600 }),
    growth: fc.double({ min: 1, max: 100, noNaN: true }),
    longestBlockSeconds: fc.integer({ min: 1, max: 31_536_000 }),
    forgetAfterSeconds: fc.integer({ min: 1, max: 86_400 }),
    windowSeconds: fc.integer({ min: 1, max: 86_400 }),
  })
  .filter(({ firstBlockSeconds, longestBlockSeconds }) => firstBlockSeconds <= longestBlockSeconds)
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const now = fc.integer({ min: 1, max: 4_000_000_000_000 })

/** Milliseconds that each of so many blocks in a row lasts, without jitter. */
const climb = (given: LadderRules, times: number): number[] => {
  let before: ReturnType<typeof nextBlock> | undefined
  return Array.from({ length: times }, (_, index) => {
    before = nextBlock(given, before, index, 0.5)
    return before.untilMs - before.sinceMs
  })
}

it('each block in a row is longer by the growth, up to the longest', () => {
  fc.assert(
    fc.property(rules, (given) => {
      const lengths = climb(given, 12)
      expect(lengths[0]).toBe(given.firstBlockSeconds * 1_000)
      for (const [index, length] of lengths.slice(1).entries()) {
        const wanted = Math.min((lengths[index] as number) * given.growth, given.longestBlockSeconds * 1_000)
        expect(Math.abs(length - wanted)).toBeLessThanOrEqual(1 + given.growth)
      }
    }),
  )
})

it('chance moves its end by a tenth at most, and never beyond the longest', () => {
  fc.assert(
    fc.property(rules, fc.integer({ min: 1, max: 30 }), now, random, (given, count, nowMs, chance) => {
      const before = { count, untilMs: nowMs, forgetAtMs: nowMs + 1 }
      const plain = nextBlock(given, before, nowMs, 0.5)
      const moved = nextBlock(given, before, nowMs, chance)
      const [wanted, found] = [plain.untilMs - nowMs, moved.untilMs - nowMs]
      expect(found).toBeGreaterThanOrEqual(Math.floor(wanted * 0.9))
      expect(found).toBeLessThanOrEqual(Math.min(Math.ceil(wanted * 1.1), given.longestBlockSeconds * 1_000))
    }),
  )
})

it('chance spreads the ends over a tenth on either side', () => {
  fc.assert(
    fc.property(rules, now, (given, nowMs) => {
      const wide = { ...given, longestBlockSeconds: given.firstBlockSeconds * 2 }
      const lastsMs = (chance: number) => nextBlock(wide, undefined, nowMs, chance).untilMs - nowMs
      const firstMs = given.firstBlockSeconds * 1_000
      expect([lastsMs(0), lastsMs(0.5)]).toEqual([Math.round(firstMs * 0.9), firstMs])
      expect(lastsMs(0.999_999)).toBeGreaterThanOrEqual(Math.floor(firstMs * 1.0999))
    }),
  )
})

it('it is a first one again once the last one is forgotten', () => {
  fc.assert(
    fc.property(rules, fc.integer({ min: 1, max: 30 }), now, random, (given, count, nowMs, chance) => {
      const next = (untilMs: number, forgetAtMs: number) =>
        nextBlock(given, { count, untilMs, forgetAtMs }, nowMs, chance).count
      const forgetAfterMs = given.forgetAfterSeconds * 1_000
      expect(next(nowMs - forgetAfterMs, nowMs + 1)).toBe(1)
      expect(next(nowMs - forgetAfterMs + 1, nowMs + 1)).toBe(count + 1)
      expect(next(nowMs - forgetAfterMs + 1, nowMs)).toBe(1)
    }),
  )
})

it('it is kept until nothing that was before it can count any more', () => {
  fc.assert(
    fc.property(rules, now, random, (given, nowMs, chance) => {
      const { untilMs, forgetAtMs } = nextBlock(given, undefined, nowMs, chance)
      expect(forgetAtMs - untilMs).toBe(Math.max(given.forgetAfterSeconds, given.windowSeconds) * 1_000)
    }),
  )
})
