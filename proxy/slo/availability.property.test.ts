import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock } from '#shared/clock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { guardOf, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { readPolicy } from '../state/policy/read.ts'
import { FleetHistory } from './fleet-history.ts'
import { Slo } from './slo.ts'
import { objectiveReports, trafficReport } from './slo-report.ts'
import { VERDICTS } from './verdict.ts'

const INSTANCES = 3
const THRESHOLD_MS = 300
const BAD = ['upstream', 'timeout', 'circuit-open', 'overload', 'cut', 'own']

const policy = (() => {
  const reading = readPolicy({
    slo: {
      objectives: { reads: { availability: 0.99, latency: { thresholdMs: THRESHOLD_MS, share: 0.9 }, windowDays: 2 } },
    },
    alerts: {
      minimumEvents: 5,
      burnRates: [
        { factor: 9, longSeconds: 3_600, shortSeconds: 300 },
        { factor: 2, longSeconds: 86_400, shortSeconds: 7_200 },
      ],
    },
  })
  if (reading.kind === 'bad') throw new Error(JSON.stringify(reading.problems))
  return reading.policy
})()

const redis = await redisOfFile()

/** One exchange, when the clock of its instance said so: all that the reference knows. */
interface Event {
  readonly verdict: number
  readonly latencyMs: number
  readonly wallMs: number
}

/** By hand, from the events themselves: those of the last slots that make up the window. */
const reference = (events: readonly Event[], windowSeconds: number, nowMs: number) => {
  const slotMs =
    windowSeconds <= 3_600 ? 10_000 : windowSeconds <= 21_600 ? 60_000 : windowSeconds <= 259_200 ? 300_000 : 3_600_000
  const first = (Math.floor(nowMs / slotMs) - Math.ceil((windowSeconds * 1_000) / slotMs) + 1) * slotMs
  const within = events.filter(({ wallMs }) => wallMs >= first)
  const good = within.filter(({ verdict }) => verdict < 2)
  const bad = within.filter(({ verdict }) => BAD.includes(VERDICTS[verdict] as string))
  const slow = good.filter(({ latencyMs }) => latencyMs > THRESHOLD_MS)
  return { good: good.length, bad: bad.length, slow: slow.length, excluded: within.length - good.length - bad.length }
}

/** What one instance has of it, in this process. */
class Instance {
  readonly guard: RedisGuard
  readonly slo: Slo
  readonly clock: Clock
  readonly skewMs: number

  constructor(service: string, now: { readonly ms: number }, skewMs: number) {
    this.skewMs = skewMs
    this.clock = { wallMs: () => now.ms + skewMs, monotonicMs: () => now.ms - 1_700_000_000_000 }
    this.guard = guardOf(singleTarget(redis.port), service, 20_000) // no call is given up by a busy machine
    this.slo = new Slo(new FleetHistory(this.guard, 'i', quietLog, this.clock), this.clock)
  }

  async settle(): Promise<void> {
    this.slo.collect()
    await this.slo.history.flush(true)
  }

  async close(): Promise<void> {
    await this.slo.history.close()
    this.guard.close()
  }
}

const by = fc.nat(INSTANCES - 1)
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('record' as const),
      by,
      events: fc.array(
        fc.record({
          verdict: fc.nat(VERDICTS.length - 1),
          latencyMs: fc.constantFrom(1, 20, 299.9, 300, 300.1, 5_000),
        }),
        { minLength: 1, maxLength: 20 },
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('pass' as const), seconds: fc.constantFrom(1, 7, 60, 400, 4_000, 30_000) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('flush' as const), by, isAsking: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), by }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'regain' as const) }) },
)

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

let services = 0

class Run {
  readonly now = { ms: 1_800_000_000_000 }
  readonly events: Event[] = []
  readonly instances: Instance[]
  readonly #service = `property-10-${services++}`
  #isLost = false

  constructor(skewsMs: readonly number[]) {
    this.instances = skewsMs.map((skewMs) => new Instance(this.#service, this.now, skewMs))
  }

  async start(): Promise<void> {
    await this.#connected()
  }

  async do(one: Step): Promise<void> {
    switch (one.do) {
      case 'record': {
        const { slo, clock } = this.instances[one.by] as Instance
        for (const { verdict, latencyMs } of one.events) {
          slo.record('read', 'reads', verdict, latencyMs, THRESHOLD_MS, clock.monotonicMs(), 'id')
          this.events.push({ verdict, latencyMs, wallMs: clock.wallMs() })
        }
        return
      }
      case 'pass':
        this.now.ms += one.seconds * 1_000
        return
      case 'flush': {
        const { slo } = this.instances[one.by] as Instance
        slo.collect()
        return slo.history.flush(one.isAsking)
      }
      case 'restart': {
        if (this.#isLost) return // what it had not told would be lost
        const old = this.instances[one.by] as Instance
        await old.close()
        this.instances[one.by] = new Instance(this.#service, this.now, old.skewMs)
        return this.#connected()
      }
      case 'lose':
        if (this.#isLost) return
        await this.#settle() // what Redis alone knew, nobody can remember
        await redis.kill()
        this.#isLost = true
        return eventually('all have lost it', () => this.instances.every(({ guard }) => guard.isImpaired))
      case 'regain':
        return this.regain()
    }
  }

  async regain(): Promise<void> {
    if (this.#isLost) await redis.start() // empty
    this.#isLost = false
    await this.#connected()
  }

  /** Every instance says of everything what the events say. */
  async check(): Promise<void> {
    await this.#settle()
    for (const { slo, clock } of this.instances) {
      const of = (windowSeconds: number) => reference(this.events, windowSeconds, clock.wallMs())
      const { all } = trafficReport(slo.history, ['read'])
      for (const { windowSeconds, good, bad, excluded, availability } of all) {
        const expected = of(windowSeconds)
        expect({ good, bad, excluded }, `${windowSeconds} s`).toEqual({
          good: expected.good,
          bad: expected.bad,
          excluded: expected.excluded,
        })
        const answered = expected.good + expected.bad
        expect(availability).toEqual(answered === 0 ? null : expected.good / answered)
      }
      const [report] = objectiveReports(slo.history, policy)
      const total = of(2 * 86_400)
      expect(report?.availability).toMatchObject(promised(0.99, total.good + total.bad, total.bad))
      expect(report?.latency).toMatchObject(promised(0.9, total.good, total.slow))
      for (const { long, short, factor, isExceeded } of report?.availability.burnRates ?? []) {
        const exceeds = [long, short].map(({ windowSeconds, events, burn }) => {
          const { good, bad } = of(windowSeconds)
          expect({ windowSeconds, events }).toEqual({ windowSeconds, events: good + bad })
          if (events === 0) expect(burn).toBeNull()
          else expect(burn).toBeCloseTo(bad / (good + bad) / 0.01, 9)
          return events >= 5 && bad / (good + bad) / 0.01 > factor
        })
        expect(isExceeded).toBe(exceeds.every(Boolean))
      }
    }
  }

  async close(): Promise<void> {
    for (const instance of this.instances) await instance.close()
  }

  /** Twice: what the last one tells, the first one has to hear. */
  async #settle(): Promise<void> {
    for (let times = 0; times < 2; times++) for (const instance of this.instances) await instance.settle()
  }

  #connected(): Promise<void> {
    return eventually('all are connected', () => this.instances.every(({ guard }) => !guard.isImpaired))
  }
}

const promised = (target: number, events: number, bad: number) => ({
  ...{ target, events, bad },
  share: events === 0 ? null : 1 - bad / events,
  budgetLeft: events === 0 ? null : 1 - bad / ((1 - target) * events),
})

describe('Property 10: Availability Calculation', () => {
  it('the fleet’s availability, budgets and burn rates are those of the events, whoever saw them', {
    timeout: 240_000,
  }, async () => {
    const skews = fc.array(fc.constantFrom(0, 500, -4_000, 4_000), { minLength: INSTANCES, maxLength: INSTANCES })
    await fc.assert(
      fc.asyncProperty(skews, fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (skewsMs, steps) => {
        const run = new Run(skewsMs)
        await run.start()
        try {
          for (const one of steps) await run.do(one)
          await run.regain()
          await run.check()
        } finally {
          await run.regain()
          await run.close()
        }
      }),
      { numRuns: 10, endOnFailure: true },
    )
  })
})
