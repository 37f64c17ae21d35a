import fc from 'fast-check'
import { expect, it } from 'vitest'
import { admitsIn } from '../../testing/limited-instance.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { type Fate, SimulatedRedis } from '../../testing/simulated-redis.ts'
import { FleetLimits } from './fleet-limits.ts'
import { afterRequest, waitMs } from './gcra.ts'

const NEVER_MS = 1_000_000

/** So many requests a second, and so many at once. */
const limit = fc.record({ requests: fc.integer({ min: 1, max: 200 }), burst: fc.integer({ min: 1, max: 50 }) })

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('ask' as const), by: fc.nat(4), requests: fc.integer({ min: 1, max: 30 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), forMs: fc.nat(300) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('flush' as const),
      by: fc.nat(4),
      fate: fc.constantFrom<Fate>('answered', 'answered', 'answered', 'answered', 'lost before', 'lost after'),
      tripMs: fc.nat(25),
      /** Requests that come at every instance while it is under way. */
      meanwhile: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), by: fc.nat(4) }) },
)

/** An instance, and what it has admitted since it was last told what the fleet has used. */
class Instance {
  readonly limits: FleetLimits
  unheard = 0
  /** The most that it has ever admitted so. */
  mostUnheard = 0

  constructor(redis: SimulatedRedis, size: number, time: { readonly nowMs: number }) {
    const clock = { wallMs: () => 0, monotonicMs: () => time.nowMs }
    this.limits = new FleetLimits(redis.guard() as never, { size }, clock, NEVER_MS)
  }

  admitted(): void {
    this.unheard++
    this.mostUnheard = Math.max(this.mostUnheard, this.unheard)
  }
}

it('the fleet admits what one instance would, and at most what each has admitted at a time without having heard', async () => {
  let excesses = 0
  const property = fc.asyncProperty(
    limit,
    fc.integer({ min: 1, max: 5 }),
    fc.array(step, { minLength: 5, maxLength: 120, size: 'max' }),
    async ({ requests, burst }, size, steps) => {
      const { active } = new TestPolicies({ limits: { l: { requests, perSeconds: 1, burst } } })
      const rate = { emissionMs: 1_000 / requests, capacityMs: (burst * 1_000) / requests }
      const time = { nowMs: 5_000 }
      const redis = new SimulatedRedis(time)
      const instances = Array.from({ length: size }, () => new Instance(redis, size, time))
      const at = (by: number) => instances[by % size] as Instance
      let admitted = 0
      /** What those who are gone, and answers that are lost, have hidden. */
      let hidden = 0
      const ask = (instance: Instance) => {
        if (!admitsIn(instance.limits.states, active, 'l', 'k', { nowMs: time.nowMs, fleetSize: size })) return
        admitted++
        instance.admitted()
      }
      for (const one of steps) {
        switch (one.do) {
          case 'ask':
            for (let request = 0; request < one.requests; request++) ask(at(one.by))
            break
          case 'wait':
            time.nowMs += one.forMs
            break
          case 'flush': {
            const instance = at(one.by)
            const before = instance.unheard
            const hadSome = instance.limits.waiting > 0
            redis.fate = one.fate
            redis.underWay = () => {
              time.nowMs += one.tripMs
              for (let request = 0; request < one.meanwhile; request++) for (const each of instances) ask(each)
            }
            const { merges } = redis
            await instance.limits.flush()
            redis.underWay = () => undefined
            // What came while it was under way is not in the answer. What is left out as it is too old is told to nobody.
            if (!hadSome) break
            instance.unheard -= before
            if (one.fate !== 'answered' || redis.merges === merges) hidden += before
            break
          }
          case 'restart': {
            const gone = at(one.by)
            hidden += gone.mostUnheard
            instances[one.by % size] = new Instance(redis, size, time)
          }
        }
        const allowed = (rate.capacityMs + time.nowMs - 5_000) / rate.emissionMs
        const bound = instances.reduce((sum, { mostUnheard }) => sum + mostUnheard, hidden)
        if (admitted > allowed) excesses++
        expect(admitted).toBeLessThanOrEqual(allowed + bound + 1e-6)
      }
      for (const { limits } of instances) await limits.close()
    },
  )
  await fc.assert(property, { numRuns: 1_500 })
  expect(excesses).toBeGreaterThan(100) // the bound is needed
}, 120_000)

it('a client that keeps to the rate is never refused by the instance that it comes to, whenever that tells and hears', async () => {
  const property = fc.asyncProperty(
    limit,
    fc.array(
      fc.record({
        gap: fc.oneof(fc.constant(1), fc.double({ min: 1, max: 3, noNaN: true })),
        flushAt: fc.double({ min: 0, max: 1, noNaN: true }),
        tripMs: fc.nat(20),
      }),
      { maxLength: 60 },
    ),
    async ({ requests, burst }, arrivals) => {
      const { active } = new TestPolicies({ limits: { l: { requests, perSeconds: 1, burst } } })
      const time = { nowMs: 5_000 }
      const redis = new SimulatedRedis(time)
      const { limits } = new Instance(redis, 3, time)
      for (const { gap, flushAt, tripMs } of arrivals) {
        expect(admitsIn(limits.states, active, 'l', 'k', { nowMs: time.nowMs, fleetSize: 3 })).toBe(true)
        const nextMs = time.nowMs + (gap * 1_000) / requests
        time.nowMs += (flushAt * gap * 1_000) / requests
        redis.underWay = () => {
          time.nowMs = Math.min(time.nowMs + tripMs, nextMs)
        }
        await limits.flush()
        time.nowMs = nextMs
      }
      await limits.close()
    },
  )
  await fc.assert(property, { numRuns: 1_000 })
})

it('one whose requests are spread over instances is never refused more than one instance would, a flush later', async () => {
  const property = fc.asyncProperty(
    limit,
    fc.integer({ min: 2, max: 5 }),
    fc.array(fc.record({ by: fc.nat(4), gapMs: fc.nat(60) }), { maxLength: 120, size: 'max' }),
    async ({ requests, burst }, size, arrivals) => {
      const { active } = new TestPolicies({ limits: { l: { requests, perSeconds: 1, burst } } })
      const rate = { emissionMs: 1_000 / requests, capacityMs: (burst * 1_000) / requests }
      const time = { nowMs: 5_000 }
      const redis = new SimulatedRedis(time)
      const instances = Array.from({ length: size }, () => new Instance(redis, size, time))
      const FLUSH_MS = 100
      let flushedAtMs = time.nowMs
      /** The arrival time of one bucket that everything that has been admitted went through. */
      let arrivalMs = 0
      for (const { by, gapMs } of arrivals) {
        time.nowMs += gapMs
        const { limits } = instances[by % size] as Instance
        const isAdmitted = admitsIn(limits.states, active, 'l', 'k', { nowMs: time.nowMs, fleetSize: size })
        if (!isAdmitted) expect(waitMs(rate, arrivalMs + FLUSH_MS + gapMs + 1e-2, time.nowMs)).toBeGreaterThan(0)
        else arrivalMs = afterRequest(rate, arrivalMs, time.nowMs)
        if (time.nowMs - flushedAtMs < FLUSH_MS - 60) continue
        flushedAtMs = time.nowMs
        for (const instance of instances) await instance.limits.flush()
      }
      for (const { limits } of instances) await limits.close()
    },
  )
  await fc.assert(property, { numRuns: 1_000 })
})

it.each<[string, Fate]>([
  ['has been counted', 'lost after'],
  ['has not been counted', 'lost before'],
])('what was told without an answer, and %s, counts once', async (_what, fate) => {
  const { active } = new TestPolicies({ limits: { l: { requests: 90, perSeconds: 86_400 } } })
  const time = { nowMs: 5_000 }
  const redis = new SimulatedRedis(time)
  const [one, other] = [new Instance(redis, 2, time), new Instance(redis, 2, time)]
  const admitted = ({ limits }: Instance, requests: number) =>
    Array.from({ length: requests }, () =>
      admitsIn(limits.states, active, 'l', 'k', { nowMs: time.nowMs, fleetSize: 2 }),
    ).filter(Boolean).length
  expect(admitted(one, 1)).toBe(1)
  await one.limits.flush() // asks for the time, too, before it tells
  expect(admitted(one, 9)).toBe(9)
  redis.fate = fate
  await one.limits.flush()
  redis.fate = 'answered'
  await one.limits.flush()
  expect(admitted(other, 1)).toBe(1)
  await other.limits.flush()
  expect(admitted(other, 100)).toBe(79)
  await one.limits.close()
  await other.limits.close()
})

it('what a client owes the fleet is not forgotten because it owes nothing by what each instance knows', async () => {
  const { active } = new TestPolicies({ limits: { l: { requests: 50, perSeconds: 1, burst: 5 } } })
  const time = { nowMs: 5_000 }
  const redis = new SimulatedRedis(time)
  const instances = [new Instance(redis, 2, time), new Instance(redis, 2, time)] as const
  const admitted = ({ limits }: Instance, requests: number) =>
    Array.from({ length: requests }, () =>
      admitsIn(limits.states, active, 'l', 'k', { nowMs: time.nowMs, fleetSize: 2 }),
    ).filter(Boolean).length
  for (const instance of instances) expect(admitted(instance, 9)).toBe(5) // which is back in 100 ms; in truth, in 200
  time.nowMs += 110
  for (const { limits } of instances) await limits.flush()
  const [one] = instances
  expect(admitted(one, 1)).toBe(1)
  await one.limits.flush()
  expect(admitted(one, 9)).toBe(0)
  for (const { limits } of instances) await limits.close()
})
