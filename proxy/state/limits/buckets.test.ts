import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bucket } from './bucket.ts'
import { Buckets } from './buckets.ts'

const PERIOD_MS = 60_000
const rate = { emissionMs: 1_000, capacityMs: PERIOD_MS }

const get = (buckets: Buckets, key: string, nowMs: number, keysLimit: number): Bucket =>
  buckets.get(key, nowMs, { keysLimit, rate }, PERIOD_MS)

describe('buckets', () => {
  it('of a million clients take no more room than they may', () => {
    const buckets = new Buckets(0)
    let most = 0
    for (let index = 0; index < 1_000_000; index++) {
      get(buckets, `client-${index}`, index / 1_000, 1_000)
      most = Math.max(most, buckets.size)
    }
    expect(most).toBe(1_000)
  })

  it('in a flood of new clients are kept of one that comes again and again, even if it is only looked at', () => {
    const buckets = new Buckets(0)
    const regular = get(buckets, 'regular', 0, 1_000)
    for (let index = 0; index < 100_000; index++) {
      get(buckets, `client-${index}`, 0, 1_000)
      if (index % 400 === 0) expect(get(buckets, 'regular', 0, 1_000)).toBe(regular)
    }
  })

  it('are gone after two periods of rest', () => {
    const buckets = new Buckets(0)
    get(buckets, 'a', 0, 1_000)
    get(buckets, 'b', PERIOD_MS, 1_000)
    expect(buckets.size).toBe(2)
    get(buckets, 'b', 2 * PERIOD_MS, 1_000)
    get(buckets, 'b', 3 * PERIOD_MS, 1_000)
    expect([...new Set([...buckets].map(({ key }) => key))]).toEqual(['b'])
  })

  // A slice of a text keeps the text alive, but V8 makes a key of a Map a text of its own.
  it('of keys cut out of long texts keep none of those in memory', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const buckets = new Buckets(0)
    collect()
    const beforeBytes = process.memoryUsage().heapUsed
    for (let index = 0; index < 4_000; index++) {
      const head = Buffer.alloc(16_384, `${index} the key of a client `).toString('latin1')
      get(buckets, head.slice(100, 200), 0, 100_000)
    }
    collect()
    expect(buckets.size).toBeGreaterThan(1_000)
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
        const buckets = new Buckets(0)
        const model = new Map<string, number>()
        let nowMs = 0
        for (const { key, gapMs, aheadMs, isWrite } of steps) {
          nowMs += gapMs
          const bucket = get(buckets, key, nowMs, 10)
          // What lies in the past is as good as nothing.
          expect(Math.max(bucket.arrivalMs, nowMs)).toBe(Math.max(model.get(key) ?? 0, nowMs))
          expect(buckets.size).toBeLessThanOrEqual(10)
          if (!isWrite) continue
          bucket.arrivalMs = nowMs + aheadMs
          model.set(key, nowMs + aheadMs)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('that go on beside others begin as those are, key by key, hear what those hear, and change nothing of them', () => {
    const buckets = new Buckets(0)
    get(buckets, 'a', 0, 10).arrivalMs = 1_000
    get(buckets, 'b', PERIOD_MS, 10).arrivalMs = PERIOD_MS + 2_000
    const beside = new Buckets(PERIOD_MS)
    beside.standBeside(buckets)
    expect(get(beside, 'a', PERIOD_MS, 10).arrivalMs).toBe(1_000)
    get(beside, 'b', PERIOD_MS, 10).charge(rate, PERIOD_MS)
    expect(get(buckets, 'b', PERIOD_MS, 10).arrivalMs).toBe(PERIOD_MS + 2_000)
    get(buckets, 'b', PERIOD_MS, 10).hear(PERIOD_MS + 7_000, PERIOD_MS)
    expect(get(beside, 'b', PERIOD_MS, 10).arrivalMs).toBe(PERIOD_MS + 8_000)
    expect(beside.size).toBe(2)
  })
})
