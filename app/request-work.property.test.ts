import fc from 'fast-check'
import { expect, it } from 'vitest'
import { workMs } from './request-work.ts'

it('work ends before the reply must be there, by a tenth of the time or a tenth of a second; a timer can take it', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e12, max: 1e12 }), (leftMs) => {
      const ms = workMs(leftMs)
      expect(ms).toBeGreaterThanOrEqual(0)
      expect(ms).toBeLessThan(2 ** 31)
      if (leftMs <= 0) expect(ms).toBe(0)
      else {
        expect(ms).toBeLessThan(leftMs)
        if (leftMs < 2 ** 31) expect(leftMs - ms).toBeLessThanOrEqual(Math.min(leftMs / 10, 100) + 1)
      }
    }),
  )
})
