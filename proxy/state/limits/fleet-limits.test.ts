import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '#shared/clock.ts'
import type { RedisTarget } from '#shared/redis/settings.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { clusterTarget, connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { mastersOf, startCluster, type Topology } from '#shared/testing/redis-topologies.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { admitsIn, claimIn } from '../../testing/limited-instance.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { FleetLimits } from './fleet-limits.ts'
import { MERGE } from './fleet-scripts.ts'

const NEVER_MS = 1_000_000
const FLEET = 3

/** So slow that nothing comes back while a test runs, and so large that a test does not use it up by accident. */
const { active } = new TestPolicies({
  limits: {
    slow: { requests: 90, perSeconds: 86_400, keysLimit: 100_000 },
    secret: { requests: 90, perSeconds: 86_400, key: { by: 'header', name: 'X-Api-Key' } },
    quick: { requests: 50, perSeconds: 1, burst: 5 },
  },
})

const redis = await redisOfFile()

interface Instance {
  readonly guard: RedisGuard
  readonly limits: FleetLimits
  admits(key: string, name?: string): boolean
  /** How many of so many requests are admitted. */
  admitted(requests: number, key: string, name?: string): number
}

let services = 0

/** Instances that tell only when they are told to. */
const startInstances = async (
  target: RedisTarget = singleTarget(redis.port),
  count = FLEET,
): Promise<readonly [Instance, Instance, Instance]> => {
  const service = `limits-${services++}`
  const instances = await Promise.all(
    Array.from({ length: count }, async (): Promise<Instance> => {
      const guard = await connectedGuard(target, service)
      const limits = new FleetLimits(guard, { size: FLEET }, systemClock, NEVER_MS)
      onTestFinished(async () => {
        await limits.close()
        guard.close()
      })
      const admits = (key: string, name = 'slow') =>
        admitsIn(limits.states, active, name, key, { nowMs: performance.now(), fleetSize: FLEET })
      const admitted = (requests: number, key: string, name?: string) =>
        Array.from({ length: requests }, () => admits(key, name)).filter(Boolean).length
      return { guard, limits, admits, admitted }
    }),
  )
  await Promise.all(instances.map(({ limits }) => limits.flush()))
  return instances as unknown as readonly [Instance, Instance, Instance]
}

const flushAll = async (instances: readonly Instance[]): Promise<void> => {
  // Twice: what the last one tells the first one hears in the second round, if it has something to tell.
  for (const { limits } of instances) await limits.flush()
}

/** A script that Redis has not seen is told in the second round. */
const flushed = ({ limits }: Instance) =>
  eventually('all is told', async () => {
    await limits.flush()
    return limits.waiting === 0
  })

describe('instances that share Redis', () => {
  it('decide at once by the whole limit, and hear of one another when they tell what they have admitted', async () => {
    const [one, two, three] = await startInstances()
    expect(one.admitted(50, 'a')).toBe(50)
    await flushed(one)
    expect(two.admitted(1, 'a')).toBe(1) // not heard yet
    await flushed(two)
    expect(two.admitted(100, 'a')).toBe(39)
    await flushed(two)
    expect(three.admitted(100, 'a')).toBe(90) // the bound: what it admits before it hears
    await flushed(three)
    expect([one, two, three].map((instance) => instance.admitted(5, 'a'))).toEqual(
      [40, 0, 0].map((n) => Math.min(n, 5)),
    )
    await flushed(one)
    expect(one.admitted(5, 'a')).toBe(0)
  })

  it('admit no more than the limit and what comes between two flushes, whichever they reach', async () => {
    const instances = await startInstances()
    const perInterval = 2
    let admitted = 0
    for (let interval = 0; interval < 60; interval++) {
      for (const instance of instances) admitted += instance.admitted(perInterval, 'even')
      await flushAll(instances)
    }
    expect(admitted).toBeGreaterThanOrEqual(90)
    expect(admitted).toBeLessThanOrEqual(90 + FLEET * perInterval)
  })

  it('pay back what they have admitted too much: in the long run it is the limit', async () => {
    const instances = await startInstances()
    const startedMs = performance.now()
    let admitted = 0
    while (performance.now() - startedMs < 1_500) {
      for (const instance of instances) admitted += instance.admitted(20, 'a', 'quick')
      await flushAll(instances)
      await delay(20)
    }
    const allowed = 5 + (50 * (performance.now() - startedMs)) / 1_000
    expect(admitted).toBeGreaterThan(allowed * 0.6)
    expect(admitted).toBeLessThan(allowed + FLEET * 20)
  })

  it('tell what clients are known by only where that is no secret', async () => {
    const [one] = await startInstances()
    one.admits('198.51.100.7')
    one.admits('the-secret-key', 'secret')
    one.admits('a key\r\n with {braces} \0 and \xff', 'secret')
    await flushed(one)
    const [keys] = (await redis.command(['KEYS', `sidegate:limits-${services - 1}:limit:*`])) as [string[]]
    expect(keys).toHaveLength(3)
    expect(keys.filter((key) => key.endsWith('}:198.51.100.7'))).toHaveLength(1)
    expect(keys.filter((key) => /:limit:\{secret\/header X-Api-Key\/\d+\}:[\w-]{22}$/.test(key))).toHaveLength(2)
    for (const key of keys) expect((await redis.command(['PTTL', key]))[0]).toBeGreaterThan(900_000)
  })

  it('leave nothing in Redis of clients that have all of their burst again', async () => {
    const [one] = await startInstances()
    one.admits('a', 'quick')
    await flushed(one)
    const pattern = `sidegate:limits-${services - 1}:limit:*`
    expect((await redis.command(['KEYS', pattern]))[0]).toHaveLength(1)
    await eventually(
      'it has expired',
      async () => ((await redis.command(['KEYS', pattern]))[0] as string[]).length === 0,
    )
  })

  it('with a burst that is less than there are instances admit one at a time each, and then hear', async () => {
    const policies = new TestPolicies({ limits: { slow: { requests: 1, perSeconds: 3_600 } } })
    const instances = await startInstances()
    const ask = ({ limits }: Instance) =>
      admitsIn(limits.states, policies.active, 'slow', 'a', { nowMs: performance.now(), fleetSize: FLEET })
    for (const instance of instances) {
      expect(ask(instance)).toBe(true)
      expect(ask(instance)).toBe(false)
      await flushed(instance)
    }
    for (const instance of instances) expect(ask(instance)).toBe(false)
  })

  it('under different policies count time: a request costs what it costs under the policy that admits it', async () => {
    const generous = new TestPolicies({ limits: { slow: { requests: 180, perSeconds: 86_400 } } })
    const [one, two] = await startInstances()
    for (let n = 0; n < 90; n++) {
      admitsIn(one.limits.states, generous.active, 'slow', 'a', { nowMs: performance.now(), fleetSize: FLEET })
    }
    await flushed(one)
    two.admits('a')
    await flushed(two)
    expect(two.admitted(100, 'a')).toBe(44) // half of a day is used up, and one
  })
})

it('what comes to Redis long after it was sent is not counted, and the sender is told so', async () => {
  const [{ guard, limits }] = await startInstances()
  const key = guard.key('limit:{late}:a')
  const merge = async (agoMs: number): Promise<number[]> => {
    const answer = await guard.call<unknown>(
      key,
      async (commands) => {
        const [seconds, micros] = (await commands.time()) as unknown as [number, number]
        const sentAtMs = Number(seconds) * 1_000 + Number(micros) / 1_000 - agoMs
        return MERGE.run(commands, [key], [sentAtMs, 60_000, 60_000, 10_000, 10_000])
      },
      () => undefined,
    )
    return answer as number[]
  }
  expect((await merge(1_500)).slice(1)).toEqual([1, expect.any(Number)])
  expect((await redis.command(['EXISTS', key]))[0]).toBe(0)
  const [, isLate, aheadMicros] = await merge(100)
  expect(isLate).toBe(0)
  expect(aheadMicros).toBeLessThanOrEqual(9_900_000)
  expect(limits.waiting).toBe(0)
})

describe('when Redis', () => {
  it('is restarted empty, it is told again what is known, and the greater counts', async () => {
    const own = await new RedisProcess(await freePort()).start()
    onTestFinished(() => own.close())
    const [one, two] = await startInstances(singleTarget(own.port))
    one.admitted(80, 'a')
    await flushed(one)
    await own.kill()
    await own.start()
    await eventually('the instances have noticed', async () => {
      await one.limits.flush()
      return ((await own.command(['DBSIZE']))[0] as number) > 1 && !one.guard.isImpaired && !two.guard.isImpaired
    })
    await eventually('it is known again', async () => {
      await one.limits.flush()
      return ((await own.command(['KEYS', '*:limit:*']))[0] as string[]).length === 1
    })
    two.admits('a')
    await flushed(two)
    expect(two.admitted(100, 'a')).toBe(9)
  })

  it('is frozen, each grants its share at once; what was under way is not counted twice; and then it is one limit again', async () => {
    const own = await new RedisProcess(await freePort()).start()
    onTestFinished(() => own.close())
    const instances = await startInstances(singleTarget(own.port))
    const [one, two] = instances
    expect(one.admitted(10, 'a')).toBe(10)
    await flushed(one)
    own.freeze()
    expect(one.admitted(5, 'a')).toBe(5) // of the whole limit: it is not known to be lost
    await one.limits.flush() // nobody answers
    const left = 75 / FLEET
    expect(one.admitted(100, 'a')).toBe(left)
    await eventually('the circuit is open', async () => {
      await Promise.all(instances.map(({ limits }) => limits.flush()))
      return instances.every(({ guard }) => guard.isImpaired)
    })
    await Promise.all(instances.map(({ limits }) => limits.flush()))
    expect(two.admitted(100, 'b')).toBe(90 / FLEET)
    expect(one.admitted(100, 'b')).toBe(90 / FLEET)
    own.thaw()
    await eventually('all is well', () => instances.every(({ guard }) => !guard.isImpaired))
    await Promise.all(instances.map(flushed))
    // The one had used up its share of all: as much as that counts for all.
    expect(two.admitted(3, 'b')).toBe(0)
    two.admits('a')
    await flushed(two)
    expect(two.admitted(100, 'a')).toBe(0)
    expect(
      claimIn(two.limits.states, active, 'slow', 'c', { nowMs: performance.now(), fleetSize: FLEET }).isAlone,
    ).toBe(false)
    expect(two.admitted(100, 'c')).toBe(90)
  })

  it('is lost for long, waiting clients take no more room than they may, and all is told afterwards', async () => {
    const own = await new RedisProcess(await freePort()).start()
    onTestFinished(() => own.close())
    const [one] = await startInstances(singleTarget(own.port), 1)
    await own.kill()
    await eventually('the circuit is open', () => one.guard.isImpaired)
    for (let client = 0; client < 70_000; client++) one.admits(`client-${client}`)
    expect(one.limits.waiting).toBe(50_000)
    await own.start()
    await eventually('all is told', async () => {
      await one.limits.flush()
      return ((await own.command(['DBSIZE']))[0] as number) >= 70_000
    })
  }, 60_000)
})

describe('on a cluster', () => {
  let cluster: Topology
  let target: RedisTarget
  beforeAll(async () => {
    cluster = await startCluster()
    target = clusterTarget(cluster)
  }, 90_000)
  afterAll(() => cluster.close())

  it('limits are spread over the masters; one that is lost costs the whole limit for its clients alone', async () => {
    const [one, two] = await startInstances(target)
    const keys = Array.from({ length: 300 }, (_, index) => `client-${index}`)
    for (const key of keys) one.admitted(10, key)
    await flushed(one)
    for (const key of keys) two.admits(key)
    await flushed(two)
    expect(new Set(keys.map((key) => two.admitted(100, key)))).toEqual(new Set([79]))
    const shards = new Set(
      keys.map((key) =>
        two.guard.shardOf(two.limits.keyOf(claimIn(two.limits.states, active, 'slow', key, { nowMs: 0 }))),
      ),
    )
    expect(shards.size).toBe(3)

    const [lost] = await mastersOf(cluster)
    lost?.freeze()
    const more = keys.map((key) => `more-${key}`)
    const isAlone = (key: string) =>
      claimIn(one.limits.states, active, 'slow', key, { nowMs: performance.now(), fleetSize: FLEET }).isAlone
    await eventually('its clients get a share', async () => {
      for (const key of more) one.admits(key)
      await one.limits.flush()
      return more.some(isAlone)
    })
    expect(more.filter(isAlone).length).toBeLessThan(200)
    lost?.thaw()
    await eventually('all get the whole limit again', async () => {
      await one.limits.flush()
      return !more.some(isAlone)
    })
  }, 60_000)
})
