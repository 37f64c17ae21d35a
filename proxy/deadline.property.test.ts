import fc from 'fast-check'
import { expect, it } from 'vitest'
import { deadlineOf, remainingMs } from './deadline.ts'

const timeMs = fc.double({ min: 0, max: 1e9, noNaN: true })
const headMs = fc.double({ min: 0, max: 1e4, noNaN: true })
const totalMs = fc.option(fc.integer({ min: 1, max: 86_400_000 }), { nil: undefined })
const callersMs = fc.option(fc.integer({ min: -1e6, max: 1e9 }), { nil: undefined })

it('the deadline is the earlier of ours and the caller’s, and the caller’s only where that is the earlier one', () => {
  fc.assert(
    fc.property(timeMs, headMs, totalMs, callersMs, (firstByteAtMs, headTookMs, totalMs, callersMs) => {
      const headAtMs = firstByteAtMs + headTookMs
      const { atMs, isCallers } = deadlineOf({ firstByteAtMs, headAtMs, totalMs, callersMs })
      const ours = totalMs === undefined ? [] : [firstByteAtMs + totalMs]
      const callers = callersMs === undefined ? [] : [headAtMs + callersMs]
      const all = [...ours, ...callers]
      if (all.length === 0) expect(atMs).toBe(Number.POSITIVE_INFINITY)
      else expect(all).toContain(atMs)
      for (const one of all) expect(atMs).toBeLessThanOrEqual(one)
      expect(isCallers).toBe(callers.some((one) => ours.every((other) => one < other)))
    }),
  )
})

it('the app is told a whole number of milliseconds, at least 1, and beyond that no more than are left nor a whole one less', () => {
  fc.assert(
    fc.property(timeMs, fc.double({ min: -1e4, max: 1e8, noNaN: true }), (nowMs, leftMs) => {
      const told = remainingMs(nowMs + leftMs, nowMs)
      const left = nowMs + leftMs - nowMs
      expect(Number.isInteger(told) && told >= 1).toBe(true)
      if (told > 1) expect(told).toBeLessThanOrEqual(left)
      expect(told).toBeGreaterThan(left - 1)
    }),
  )
})
