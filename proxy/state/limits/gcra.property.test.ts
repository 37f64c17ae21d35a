import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { afterRequest, partOf, type Rate, remaining, resetMs, waitMs } from './gcra.ts'

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
    if (waitMs(limit, arrivalMs, nowMs) > 0) continue
    arrivalMs = afterRequest(limit, arrivalMs, nowMs)
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
        const restedMs = before.nowMs + resetMs(before.arrivalMs, before.nowMs)
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
          const retryAfterMs = waitMs(limit, arrivalMs, nowMs)
          expect(retryAfterMs).toBeGreaterThan(0)
          expect(retryAfterMs).toBeLessThanOrEqual(limit.emissionMs + 1e-3)
          expect(waitMs(limit, arrivalMs, nowMs + retryAfterMs)).toBe(0)
          // One millisecond earlier, or any time earlier.
          for (const soonerMs of [retryAfterMs - 1, retryAfterMs * part]) {
            if (soonerMs < 0 || retryAfterMs - soonerMs < 1e-3) continue
            refusals++
            expect(waitMs(limit, arrivalMs, nowMs + soonerMs)).toBeGreaterThan(0)
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
        let at = arrivalMs
        let admitted = 0
        while (waitMs(limit, at, nowMs) === 0) {
          at = afterRequest(limit, at, nowMs)
          admitted++
        }
        expect(admitted).toBe(remaining(limit, arrivalMs, nowMs))
      }),
    )
  })

  it('of which each of some grants a part admits no more than the whole, but for one request each', () => {
    fc.assert(
      fc.property(rate, fc.integer({ min: 1, max: 20 }), fc.nat(10_000), (limit, parts, forMs) => {
        const each = send(partOf(limit, parts), 0, [
          0,
          ...Array.from({ length: 200 }, () => forMs / 200 / limit.emissionMs / parts),
        ])
        const allowed = (limit.capacityMs + each.nowMs) / limit.emissionMs
        expect(each.admittedAtMs.length).toBeLessThanOrEqual(
          Math.max(allowed / parts, 1 + each.nowMs / limit.emissionMs / parts) + rounding(limit),
        )
      }),
    )
  })
})
