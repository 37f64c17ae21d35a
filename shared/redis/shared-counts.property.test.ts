import fc from 'fast-check'
import { expect, it } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { connectedGuard, singleTarget } from '../testing/redis-guards.ts'
import { redisOfFile } from '../testing/redis-of-file.ts'
import { SharedCounts } from './shared-counts.ts'

const LIFE_MS = 120_000
const INSTANCES = 3
const KEYS = ['a', 'b', 'c'] as const

const redis = await redisOfFile()

/** A fleet whose counts are of this run alone. */
const startFleet = async (name: string, instanceId: (index: number) => string = (index) => `i${index}`) => {
  const guards = await Promise.all(Array.from({ length: INSTANCES }, () => connectedGuard(singleTarget(redis.port))))
  const counts = guards.map((guard, index) => new SharedCounts(guard, instanceId(index), { name, keysLimit: 1_000 }))
  return {
    counts,
    async close() {
      await Promise.all(counts.map((one) => one.close()))
      for (const guard of guards) guard.close()
    },
  }
}

let runs = 0

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      by: fc.nat(INSTANCES - 1),
      key: fc.constantFrom(...KEYS),
      amount: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom('flush', 'kill', 'start', 'freeze', 'thaw', 'restart empty') },
)

it('whatever becomes of Redis, each addition is counted once by everyone', async () => {
  const harms: Readonly<Record<string, () => Promise<unknown>>> = {
    kill: () => redis.kill(),
    start: async () => redis.isRunning || redis.start(),
    freeze: async () => redis.freeze(),
    thaw: async () => redis.thaw(),
    'restart empty': async () => {
      await redis.kill()
      await redis.start()
    },
  }
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
    // Two instances of one ID: as a process that has been restarted with its name.
    const fleet = await startFleet(`run${runs++}`, (index) => (index === 0 ? 'i1' : `i${index}`))
    const sums: Record<string, number> = { a: 0, b: 0, c: 0 }
    try {
      for (const one of steps) {
        if (one === 'flush') await Promise.all(fleet.counts.map((counts) => counts.flush()))
        else if (typeof one === 'string') await harms[one]?.()
        else {
          sums[one.key] = (sums[one.key] ?? 0) + one.amount
          fleet.counts[one.by]?.add(one.key, one.amount, LIFE_MS)
        }
      }
      redis.thaw()
      if (!redis.isRunning) await redis.start()
      // One who has counted nothing of a key is told nothing of it.
      for (const counts of fleet.counts) for (const key of KEYS) counts.add(key, 0, LIFE_MS)
      await eventually(`all agree on ${JSON.stringify(sums)}`, () => {
        for (const counts of fleet.counts) for (const key of KEYS) counts.add(key, 0, LIFE_MS)
        return fleet.counts.every((counts) => KEYS.every((key) => counts.total(key) === sums[key]))
      })
    } finally {
      await fleet.close()
    }
  })
  await fc.assert(property, { numRuns: 15, endOnFailure: true })
}, 240_000)

it('an addition is known elsewhere after two flushes, and at once where it was made', async () => {
  const fleet = await startFleet('prompt')
  const [one, other] = fleet.counts as [SharedCounts, SharedCounts]
  expect(one.add('k', 5, LIFE_MS)).toBe(5)
  expect(other.add('k', 1, LIFE_MS)).toBe(1)
  await one.flush()
  await other.flush()
  expect(other.total('k')).toBe(6)
  expect(one.total('k')).toBe(5)
  await eventually('the first has heard of the second', () => one.add('k', 0, LIFE_MS) === 6)
  await fleet.close()
})

it('what a server has lost is told again, by those who have nothing new to tell as well', async () => {
  const fleet = await startFleet('told-again')
  const [one, other] = fleet.counts as [SharedCounts, SharedCounts]
  one.add('k', 5, LIFE_MS)
  await one.flush()
  await redis.kill()
  await redis.start()
  await eventually('the other hears of it', () => other.add('k', 0, LIFE_MS) === 5)
  await fleet.close()
})

it('a count ends with its life, here and in Redis', async () => {
  const fleet = await startFleet('short')
  const [one] = fleet.counts as [SharedCounts]
  one.add('k', 5, 150)
  await one.flush()
  expect(await redis.command(['EXISTS', 'sidegate:test:count:short:k'])).toEqual([1])
  await eventually('it has ended', () => one.total('k') === 0)
  await eventually('it has ended in Redis', async () => {
    const [exists] = await redis.command(['EXISTS', 'sidegate:test:count:short:k'])
    return exists === 0
  })
  await fleet.close()
})

it('tells all that it has when it is closed, also a server that does not know how yet', async () => {
  const fleet = await startFleet('closed')
  const [one] = fleet.counts as [SharedCounts]
  await redis.command(['SCRIPT', 'FLUSH'])
  for (let i = 0; i < 900; i++) one.add(`k${i}`, 1, LIFE_MS)
  const flushing = one.flush()
  one.add('k0', 41, LIFE_MS)
  await one.close()
  await flushing
  expect(await redis.command(['HVALS', 'sidegate:test:count:closed:k0'])).toEqual([['42']])
  expect(await redis.command(['HVALS', 'sidegate:test:count:closed:k899'])).toEqual([['1']])
  await fleet.close()
})

it('of more than it can keep, tells what it keeps; and what comes back after it was forgotten is added', async () => {
  const guard = await connectedGuard(singleTarget(redis.port))
  const counts = new SharedCounts(guard, 'i', { name: 'full', keysLimit: 10, flushIntervalMs: 60_000 })
  for (let i = 0; i < 50; i++) counts.add(`k${i}`, 1, LIFE_MS)
  await counts.flush()
  await counts.flush()
  expect(await redis.command(['HVALS', 'sidegate:test:count:full:k49'])).toEqual([['1']])
  for (let i = 0; i < 10; i++) counts.add(`other${i}`, 1, LIFE_MS)
  counts.add('k49', 5, LIFE_MS)
  await counts.flush()
  expect(counts.total('k49')).toBe(6)
  await counts.close()
  guard.close()
})

it('never keeps more than its limit, and forgets the oldest', () => {
  const counts = new SharedCounts(undefined, 'i', { name: 'n', keysLimit: 100 })
  for (let i = 0; i < 1_000; i++) counts.add(`k${i}`, 1, LIFE_MS)
  expect(counts.size).toBeLessThanOrEqual(100)
  expect(counts.total('k899')).toBe(0)
  expect(counts.total('k950')).toBe(1)
})

it('lets go of what has come to its end, however few come after it', () => {
  let nowMs = 0
  const counts = new SharedCounts(
    undefined,
    'i',
    { name: 'n', keysLimit: 10_000 },
    { wallMs: () => nowMs, monotonicMs: () => nowMs },
  )
  for (let i = 0; i < 4_000; i++) counts.add(`k${i}`, 1, i % 2 === 0 ? LIFE_MS : LIFE_MS / 2)
  for (let turn = 0; turn < 3; turn++) {
    nowMs += LIFE_MS
    counts.add(`later${turn}`, 1, LIFE_MS)
  }
  expect(counts.size).toBeLessThanOrEqual(3)
})

it('counts alone where no Redis is configured', async () => {
  const counts = new SharedCounts(undefined, 'i', { name: 'n', keysLimit: 10 })
  expect(counts.add('k', 2, LIFE_MS)).toBe(2)
  await counts.flush()
  expect(counts.add('k', 3, LIFE_MS)).toBe(5)
  await counts.close()
})
