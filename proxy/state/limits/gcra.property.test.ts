import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, quota, type Rate } from './gcra.ts'

const rate = fc
  .record({
    requests: fc.integer({ min: 1, max: 1_000 }),
    perSeconds: fc.integer({ min: 1, max: 3_600 }),
    burst: fc.double({ min: 1, max: 20, noNaN: true }),
  })
  .map(({ requests, perSeconds, burst }): Rate => {
    const emissionMs = (perSeconds * 1_000) / requests
    return { emissionMs, capacityMs: burst * emissionMs }
  })

/** Of a process that has run for up to a month. */
const startMs = fc.double({ min: 0, max: 30 * 86_400_000, noNaN: true })

/** Between requests, in emission intervals: bursts, about the rate, and rests. */
const gaps = fc.array(
  fc.oneof(
    fc.constant(0),
    fc.double({ min: 0, max: 2, noNaN: true }),
    fc.constant(1),
    fc.double({ min: 0, max: 50, noNaN: true }),
  ),
  { minLength: 1, maxLength: 80, size: 'max' },
)

/** One client's requests, one behind the other. */
const send = (limit: Rate, fromMs: number, gapsBetween: readonly number[]) => {
  let nowMs = fromMs
  let arrivalMs = fromMs
  const admittedAtMs: number[] = []
  for (const gap of gapsBetween) {
    nowMs += gap * limit.emissionMs
    const decision = decide(limit, arrivalMs, nowMs)
    if (!decision.isAdmitted) continue
    arrivalMs = decision.arrivalMs
    admittedAtMs.push(nowMs)
  }
  return { nowMs, arrivalMs, admittedAtMs }
}

/** A microsecond, as a part of the emission interval: what rounding may be worth. */
const rounding = ({ emissionMs }: Rate): number => 1e-3 / emissionMs

describe('the generic cell rate algorithm', () => {
  it('admits in no interval more than the burst and what the rate gives in it', () => {
    fc.assert(
      fc.property(rate, startMs, gaps, (limit, fromMs, gapsBetween) => {
        const { admittedAtMs } = send(limit, fromMs, gapsBetween)
        const burst = limit.capacityMs / limit.emissionMs
        for (const [first, beginMs] of admittedAtMs.entries()) {
          for (const [last, endMs] of admittedAtMs.entries()) {
            if (last < first) continue
            const allowed = burst + (endMs - beginMs) / limit.emissionMs
            expect(last - first + 1).toBeLessThanOrEqual(allowed + rounding(limit))
          }
        }
      }),
    )
  })

  it('never refuses a client that keeps to the rate', () => {
    fc.assert(
      fc.property(rate, startMs, gaps, (limit, fromMs, gapsBetween) => {
        const { admittedAtMs } = send(
          limit,
          fromMs,
          gapsBetween.map((gap) => Math.max(gap, 1)),
        )
        expect(admittedAtMs).toHaveLength(gapsBetween.length)
      }),
    )
  })

  it('admits a whole burst of a client that has rested', () => {
    fc.assert(
      fc.property(rate, startMs, gaps, (limit, fromMs, gapsBetween) => {
        const before = send(limit, fromMs, gapsBetween)
        const restedMs = before.nowMs + quota(limit, before.arrivalMs, before.nowMs).resetMs
        const { admittedAtMs } = send(
          limit,
          restedMs,
          Array.from({ length: 30 }, () => 0),
        )
        expect(admittedAtMs).toHaveLength(Math.floor(limit.capacityMs / limit.emissionMs + rounding(limit)))
      }),
    )
  })

  it('tells a refused client the time at which it will be admitted, and none earlier', () => {
    let refusals = 0
    fc.assert(
      fc.property(
        rate,
        startMs,
        gaps,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (limit, fromMs, gapsBetween, part) => {
          const { nowMs, arrivalMs } = send(limit, fromMs, [...gapsBetween, ...Array.from({ length: 25 }, () => 0)])
          const { isAdmitted, retryAfterMs } = decide(limit, arrivalMs, nowMs)
          expect(isAdmitted).toBe(false)
          expect(retryAfterMs).toBeLessThanOrEqual(limit.emissionMs + 1e-3)
          expect(decide(limit, arrivalMs, nowMs + retryAfterMs)).toMatchObject({ isAdmitted: true, retryAfterMs: 0 })
          // One millisecond earlier, or any time earlier.
          for (const soonerMs of [retryAfterMs - 1, retryAfterMs * part]) {
            if (soonerMs < 0 || retryAfterMs - soonerMs < 1e-3) continue
            refusals++
            expect(decide(limit, arrivalMs, nowMs + soonerMs).isAdmitted).toBe(false)
          }
        },
      ),
    )
    expect(refusals).toBeGreaterThan(50)
  })

  it('tells how many more it will admit at once', () => {
    fc.assert(
      fc.property(rate, startMs, gaps, (limit, fromMs, gapsBetween) => {
        const { nowMs, arrivalMs } = send(limit, fromMs, gapsBetween)
        const { remaining } = quota(limit, arrivalMs, nowMs)
        let at = arrivalMs
        let admitted = 0
        for (let decision = decide(limit, at, nowMs); decision.isAdmitted; decision = decide(limit, at, nowMs)) {
          at = decision.arrivalMs
          admitted++
        }
        expect(admitted).toBe(remaining)
      }),
    )
  })

  it('holds nobody to a limit that is not in force any more: under another the wait is one emission interval at most', () => {
    fc.assert(
      fc.property(rate, rate, startMs, gaps, (before, after, fromMs, gapsBetween) => {
        const { nowMs, arrivalMs } = send(before, fromMs, gapsBetween)
        const { retryAfterMs } = decide(after, arrivalMs, nowMs)
        expect(retryAfterMs).toBeLessThanOrEqual(after.emissionMs + 1e-3)
        expect(quota(after, arrivalMs, nowMs).remaining).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})
