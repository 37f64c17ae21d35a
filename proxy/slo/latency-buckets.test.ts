import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COUNTS_LENGTH, LATENCIES_AT } from './counts.ts'
import { LATENCY_BUCKETS, latencyBucketOf, latencyOf } from './latency-buckets.ts'
import { Recorder } from './recorder.ts'
import { trafficOf } from './slo-report.ts'

/** Always the same. */
const random = (() => {
  let state = 12_345
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
})()
const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random())

describe('buckets of latencies', () => {
  it('hold what is within a hundredth of their middle', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 4_000_000, noNaN: true }), (ms) => {
        expect(Math.abs(latencyOf(latencyBucketOf(ms)) / ms - 1)).toBeLessThanOrEqual(0.01)
      }),
      { numRuns: 10_000 },
    )
  })

  it('are in the order of what they hold, and there is one for everything', () => {
    const numbers = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(-0, 0, Number.MIN_VALUE))
    fc.assert(
      fc.property(numbers, numbers, (one, other) => {
        const [lower, higher] = [latencyBucketOf(Math.min(one, other)), latencyBucketOf(Math.max(one, other))]
        expect(lower).toBeLessThanOrEqual(higher)
        expect(lower).toBeGreaterThanOrEqual(0)
        expect(higher).toBeLessThan(LATENCY_BUCKETS)
      }),
    )
  })

  it.each([
    ['lognormal', () => Math.exp(3 + normal())],
    ['bimodal', () => (random() < 0.7 ? 5 + random() : 400 + 50 * random())],
    ['constant', () => 42.195],
    ['heavy-tailed', () => 1 / random() ** 0.8],
  ])('tell quantiles within a hundredth: %s', (_name, next) => {
    const recorder = new Recorder()
    const latencies = Array.from({ length: 100_000 }, next)
    for (const ms of latencies) recorder.record('all', 0, ms)
    const sums = new Float64Array(COUNTS_LENGTH)
    for (const { counts } of recorder.take())
      for (let at = 0; at < counts.length; at += 2) sums[counts[at] as number] = counts[at + 1] as number
    const { latencyMs } = trafficOf(sums, 300)
    latencies.sort((one, other) => one - other)
    for (const [name, share] of Object.entries({ p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 })) {
      const exact = latencies[Math.ceil(share * latencies.length) - 1] as number
      expect(Math.abs((latencyMs?.[name as 'p50'] as number) / exact - 1), name).toBeLessThanOrEqual(0.01)
    }
    expect(sums.slice(LATENCIES_AT).reduce((sum, count) => sum + count, 0)).toBe(100_000)
  })
})
