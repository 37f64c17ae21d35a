import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Arrivals } from './arrivals.ts'

const PERIOD_MS = 60_000

describe('arrival times', () => {
  it('of a million clients take no more room than they may', () => {
    const arrivals = new Arrivals(0)
    let most = 0
    for (let index = 0; index < 1_000_000; index++) {
      arrivals.set(`client-${index}`, index, index / 1_000, 1_000)
      most = Math.max(most, arrivals.size)
    }
    expect(most).toBe(1_000)
  })

  it('in a flood of new clients are kept of one that comes again and again, even if it is only looked at', () => {
    const arrivals = new Arrivals(0)
    arrivals.set('regular', 5, 0, 1_000)
    for (let index = 0; index < 100_000; index++) {
      arrivals.set(`client-${index}`, index, 0, 1_000)
      if (index % 400 === 0) expect(arrivals.get('regular', 0, 1_000)).toBe(5)
    }
  })

  it('are gone after two periods of rest', () => {
    const arrivals = new Arrivals(0)
    arrivals.set('a', PERIOD_MS, 0, 1_000)
    arrivals.expire(PERIOD_MS, PERIOD_MS)
    expect(arrivals.size).toBe(1)
    arrivals.expire(2 * PERIOD_MS, PERIOD_MS)
    expect(arrivals.size).toBe(0)
  })

  // A slice of a text keeps the text alive, but V8 makes a key of a Map a text of its own.
  it('of keys cut out of long texts keep none of those in memory', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const arrivals = new Arrivals(0)
    collect()
    const beforeBytes = process.memoryUsage().heapUsed
    for (let index = 0; index < 4_000; index++) {
      const head = Buffer.alloc(16_384, `${index} the key of a client `).toString('latin1')
      arrivals.set(head.slice(100, 200), index, 0, 100_000)
    }
    collect()
    expect(arrivals.size).toBeGreaterThan(1_000)
    expect(process.memoryUsage().heapUsed - beforeBytes).toBeLessThan(10_000_000)
  })

  it('never lose what a decision could depend on, as long as there is room', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      gapMs: fc.oneof(fc.constant(0), fc.nat(PERIOD_MS / 3), fc.nat(2 * PERIOD_MS)),
      aheadMs: fc.integer({ min: 0, max: PERIOD_MS }),
      isWrite: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
        const arrivals = new Arrivals(0)
        const model = new Map<string, number>()
        let nowMs = 0
        for (const { key, gapMs, aheadMs, isWrite } of steps) {
          nowMs += gapMs
          arrivals.expire(nowMs, PERIOD_MS)
          if (isWrite) {
            arrivals.set(key, nowMs + aheadMs, nowMs, 10)
            model.set(key, nowMs + aheadMs)
          }
          // What lies in the past is as good as nothing.
          expect(Math.max(arrivals.get(key, nowMs, 10) ?? 0, nowMs)).toBe(Math.max(model.get(key) ?? 0, nowMs))
          expect(arrivals.size).toBeLessThanOrEqual(10)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('that go on beside others begin as those are, key by key, and change nothing of them', () => {
    const arrivals = new Arrivals(0)
    arrivals.set('a', 1, 0, 10)
    arrivals.expire(PERIOD_MS, PERIOD_MS)
    arrivals.set('b', 2, PERIOD_MS, 10)
    const beside = arrivals.beside(PERIOD_MS)
    expect(beside.get('a', PERIOD_MS, 10)).toBe(1)
    beside.set('b', 3, PERIOD_MS, 10)
    arrivals.set('a', 4, PERIOD_MS, 10)
    expect([arrivals, beside].map((one) => ['a', 'b'].map((key) => one.get(key, PERIOD_MS, 10)))).toEqual([
      [4, 2],
      [1, 3],
    ])
    expect(beside.size).toBe(2)
  })
})
