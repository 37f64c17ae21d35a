import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

const START_MS = 1_000_000
const events = fc.array(
  fc.oneof(
    fc.record({ requests: fc.nat(500) }),
    fc.record({ retries: fc.nat(200) }),
    fc.record({ passMs: fc.oneof(fc.nat(3_000), fc.nat(1_000_000)) }),
  ),
  { maxLength: 50, size: 'max' },
)

describe('a budget for retries', () => {
  it('grants in any time no more than a tenth of its requests, one a second, and 100 that were saved up', () => {
    fc.assert(
      fc.property(events, (list) => {
        const budget = new RetryBudget()
        let nowMs = START_MS
        let requests = 0
        const grants: { atMs: number; requests: number }[] = []
        for (const event of list) {
          if ('passMs' in event) nowMs += event.passMs
          else if ('requests' in event) {
            for (let sent = 0; sent < event.requests; sent++) budget.deposit()
            requests += event.requests
          } else {
            for (let wanted = 0; wanted < event.retries; wanted++) {
              if (budget.withdraw(nowMs)) grants.push({ atMs: nowMs, requests })
            }
          }
        }
        for (const [from, first] of grants.entries()) {
          for (const [to, last] of grants.entries()) {
            if (to < from) continue
            const seconds = Math.floor((last.atMs - first.atMs) / 1_000) + 1
            const allowed = 100 + (last.requests - first.requests) / 10 + seconds
            expect(to - from + 1).toBeLessThanOrEqual(allowed)
          }
        }
        const overall = 10 + requests / 10 + (nowMs - START_MS) / 1_000
        expect(grants.length).toBeLessThanOrEqual(overall)
        expect(budget.counts.granted).toBe(grants.length)
      }),
      { numRuns: 50 },
    )
  })

  it('grants each tenth request a retry, with none to spare once what there was at first is used up', () => {
    const budget = new RetryBudget()
    while (budget.withdraw(START_MS));
    const grants = Array.from({ length: 1_000 }, () => {
      budget.deposit()
      return budget.withdraw(START_MS)
    })
    expect(grants.filter((isGranted) => isGranted)).toHaveLength(100)
  })

  it('grants who has little to do one a second, and ten of them after a rest', () => {
    const budget = new RetryBudget()
    const granted = (nowMs: number): number => {
      let count = 0
      while (budget.withdraw(nowMs)) count++
      return count
    }
    expect(granted(START_MS)).toBe(10)
    expect([granted(START_MS + 999), granted(START_MS + 1_000), granted(START_MS + 3_500)]).toEqual([0, 1, 2])
    expect(granted(START_MS + 3_600_000)).toBe(10)
    expect(budget.counts).toEqual({ granted: 23, refused: 5 })
  })
})
