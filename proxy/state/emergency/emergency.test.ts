import { Writable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { clusterTarget, connectedGuard, guardOf, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { startCluster } from '#shared/testing/redis-topologies.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { FleetEmergency } from './emergency.ts'
import type { PassedOrder } from './emergency-order.ts'
import type { Signals } from './pressure.ts'

const START_MS = Date.parse('2026-01-01T00:00:00Z')
const MINIMUM_MS = 60_000
const MAXIMUM_MS = 3_600_000

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const CALM: Signals = { violationsPerSecond: 0, requests: 0, errorShare: 0, busyShare: 0, queueShare: 0 }
const FLOOD: Signals = { ...CALM, violationsPerSecond: 500 }

interface Setting {
  readonly redis?: RedisGuard | undefined
  /** Of its wall clock. */
  readonly skewMs?: number
  readonly passOn?: (order: PassedOrder) => void
}

/** One instance; its clock stands still until a test moves it. */
const start = async ({ redis, skewMs = 0, passOn }: Setting = {}) => {
  const clock = {
    nowMs: 0,
    skewMs,
    wallMs: () => START_MS + clock.nowMs + clock.skewMs,
    monotonicMs: () => clock.nowMs,
  }
  const lines: Record<string, unknown>[] = []
  const stream = new Writable({
    write(chunk, _encoding, callback) {
      lines.push(JSON.parse(String(chunk)))
      callback()
    },
  })
  const log = createLogger({ LOG_LEVEL: 'info', LOG_FORMAT: 'json' }, instanceIdentity('proxy', '0'), stream)
  const signals = { current: CALM, isWhole: true, now: () => signals.current }
  const policies = new TestPolicies({})
  const around = { policies, signals, ...(passOn !== undefined && { passOn }) }
  const emergency = new FleetEmergency(redis, `proxy-${closing.length}`, around, log, clock)
  await emergency.open()
  closing.push(() => emergency.close())
  const lookAt = async (found: Signals, afterMs = 0) => {
    signals.current = found
    clock.nowMs += afterMs
    await emergency.look()
    return emergency.state
  }
  const said = () =>
    lines.filter(({ msg }) => String(msg).startsWith('emergency')).map(({ level, state }) => `${level} ${state}`)
  return { emergency, clock, signals, policies, lines, said, lookAt }
}

type Started = Awaited<ReturnType<typeof start>>

const startRedis = async (): Promise<RedisProcess> => {
  const redis = await new RedisProcess(await freePort()).start()
  closing.push(() => redis.close())
  return redis
}

const join = async (redis: RedisProcess, setting: Omit<Setting, 'redis'> = {}) => {
  const guard = await connectedGuard(singleTarget(redis.port), 'emergency')
  closing.push(() => guard.close())
  return { guard, ...(await start({ ...setting, redis: guard })) }
}

const states = (instances: readonly Started[]) => instances.map(({ emergency }) => emergency.state)
const all = (what: string, instances: readonly Started[]) =>
  eventually(`all are in ${what}`, () => states(instances).every((state) => state === what))

describe('an emergency', () => {
  it('is entered, recovered from and left by what the signals say, each with a line of who and why', async () => {
    const { emergency, lines, said, lookAt } = await start()
    expect(await lookAt(CALM)).toBe('calm')
    expect(await lookAt(FLOOD)).toBe('emergency')
    expect(await lookAt(CALM, MINIMUM_MS - 1)).toBe('emergency')
    expect(await lookAt(CALM, 1)).toBe('recovering')
    expect(await lookAt(CALM, MINIMUM_MS)).toBe('calm')
    expect(said()).toEqual(['warn emergency', 'info recovering', 'info calm'])
    expect(lines[0]).toMatchObject({
      ...{ msg: 'emergency begins', from: 'calm', by: 'sidegate', mode: 'auto', isFleetTold: true },
      why: 'signals are high: violationsPerSecond 500 (enters above 100)',
    })
    const history = await emergency.history()
    expect(history.map(({ state }) => state)).toEqual(['calm', 'recovering', 'emergency'])
    expect(history[1]).toMatchObject({ since: '2026-01-01T00:01:00.000Z', by: 'sidegate' })
  })

  it('obeys the policy that is in force', async () => {
    const { policies, lookAt } = await start()
    policies.change({ emergency: { isAutomatic: false } })
    expect(await lookAt(FLOOD)).toBe('calm')
    policies.change({ emergency: { violationsPerSecond: 1_000 } })
    expect(await lookAt(FLOOD)).toBe('calm')
    policies.change({ emergency: { violationsPerSecond: 499 } })
    expect(await lookAt(FLOOD)).toBe('emergency')
  })

  it('is not left by an instance that does not know the signals of ten seconds', async () => {
    const { signals, lookAt } = await start()
    await lookAt(FLOOD)
    signals.isWhole = false
    expect(await lookAt(CALM, 2 * MINIMUM_MS)).toBe('emergency')
    signals.isWhole = true
    expect(await lookAt(CALM)).toBe('recovering')
  })

  it('is turned on and off by an operator, whatever the signals say, and for as long as they say', async () => {
    const { emergency, said, lookAt, clock } = await start()
    expect(await emergency.order({ mode: 'on', by: 'ada', reason: 'a test' })).toBe(true)
    expect(emergency.status).toMatchObject({
      state: 'emergency',
      mode: 'on',
      by: 'ada',
      why: 'a test',
      isFleetTold: true,
    })
    expect(await lookAt(CALM, 2 * MAXIMUM_MS)).toBe('emergency')
    await emergency.order({ mode: 'off', by: 'ada', seconds: 100 })
    expect(emergency.status).toMatchObject({ state: 'calm', mode: 'off', why: 'no reason was given' })
    expect(Date.parse(emergency.status.until ?? '') - clock.wallMs()).toBe(100_000)
    expect(await lookAt(FLOOD, 99_999)).toBe('calm')
    await lookAt(FLOOD, 1)
    expect(emergency.status).toMatchObject({ state: 'calm', mode: 'auto', by: 'sidegate' })
    expect(await lookAt(FLOOD)).toBe('emergency')
    expect(said()).toEqual(['warn emergency', 'info calm', 'info calm', 'warn emergency'])
  })
})

describe('a fleet', () => {
  it('in which all see a flood has one that says so, and all are in it', async () => {
    const redis = await startRedis()
    const instances = [await join(redis), await join(redis), await join(redis)]
    await Promise.all(instances.map(({ lookAt }) => lookAt(FLOOD)))
    await all('emergency', instances)
    expect(await instances[0]?.emergency.history()).toHaveLength(1)
    for (const { said } of instances) expect(said()).toEqual(['warn emergency'])
  })

  it('is in an emergency as one, and out of it, whoever sees it and whatever the clocks say', async () => {
    const redis = await startRedis()
    const first = await join(redis)
    const fast = await join(redis, { skewMs: 10 * MINIMUM_MS })
    const slow = await join(redis, { skewMs: -10 * MINIMUM_MS })
    const instances = [first, fast, slow]
    await first.lookAt(FLOOD)
    await all('emergency', instances)
    for (const { lookAt } of instances) expect(await lookAt(CALM, MINIMUM_MS - 1)).toBe('emergency')
    await slow.lookAt(CALM, 1)
    await all('recovering', instances)
    expect(await fast.lookAt(CALM, MINIMUM_MS - 1)).toBe('recovering')
    await fast.lookAt(CALM, 1)
    await all('calm', instances)
  })

  it('is told at once what an operator orders, and of two that order at once the later holds everywhere', async () => {
    const redis = await startRedis()
    const one = await join(redis)
    const other = await join(redis)
    const told = await Promise.all([
      one.emergency.order({ mode: 'on', by: 'ada' }),
      other.emergency.order({ mode: 'off', by: 'bob' }),
    ])
    expect(told).toEqual([true, true])
    await eventually('both agree', () => one.emergency.status.by === other.emergency.status.by)
    expect(one.emergency.status).toEqual(other.emergency.status)
  })

  it('that is started anew is in what it was in, and its dwell goes on', async () => {
    const redis = await startRedis()
    const before = await join(redis)
    await before.lookAt(FLOOD)
    await before.emergency.close()
    const early = await join(redis, { skewMs: MINIMUM_MS - 1 })
    expect(early.emergency.state).toBe('emergency')
    expect(await early.lookAt(CALM)).toBe('emergency')
    const late = await join(redis, { skewMs: MINIMUM_MS })
    expect(await late.lookAt(CALM)).toBe('recovering')
    expect(await (await join(redis)).emergency.history()).toHaveLength(2)
  })

  it('goes on with what it is in where what is in Redis is of another kind', async () => {
    const redis = await startRedis()
    const { lookAt, emergency, lines, guard } = await join(redis)
    await lookAt(FLOOD)
    await redis.command(['HSET', guard.key('document:{emergency}'), 'version', 9, 'body', '{"state":"panic"}'])
    await redis.command(['PUBLISH', guard.key('document:emergency:changed'), 9])
    await eventually('it is told of', () => lines.some(({ msg }) => String(msg).startsWith('what is in Redis is no')))
    expect(emergency.state).toBe('emergency')
    expect(await lookAt(CALM, MINIMUM_MS)).toBe('recovering')
  })
})

/** Whether an instance that asks finds nobody. */
const lose = async (redis: RedisProcess, ...guards: readonly { readonly guard: RedisGuard }[]) => {
  await redis.kill()
  await eventually('it is missed', () => guards.every(({ guard }) => guard.isImpaired))
}

/** The same, with a Redis that will know afterwards what it knew. */
const hang = async (redis: RedisProcess, ...guards: readonly { readonly guard: RedisGuard }[]) => {
  redis.freeze()
  await eventually('it is missed', () => guards.every(({ guard }) => guard.isImpaired))
}

describe('while Redis is lost', () => {
  it('each enters by what it sees itself; afterwards the emergency of one is that of all, without a change in between', async () => {
    const redis = await startRedis()
    const one = await join(redis)
    const other = await join(redis)
    await lose(redis, one, other)
    expect([await one.lookAt(FLOOD), await other.lookAt(CALM)]).toEqual(['emergency', 'calm'])
    expect(one.emergency.status.isFleetTold).toBe(false)
    await redis.start()
    await eventually('all are in it', async () => {
      await one.emergency.look() // refused while it is not known whether the fleet had more to say
      return states([one, other]).every((state) => state === 'emergency')
    })
    expect([one.said(), other.said()]).toEqual([['warn emergency'], ['warn emergency']])
    await eventually('it is the fleet’s', () => one.emergency.status.isFleetTold)
    expect(await other.emergency.history()).toMatchObject([{ state: 'emergency', isFleetTold: true }])
  })

  it.each([
    ['with what it knew', hang, (redis: RedisProcess) => redis.thaw()],
    ['empty: who knows how things were writes it back', lose, (redis: RedisProcess) => redis.start()],
  ])(
    'an emergency goes on, is left alone only after a dwell, and is that of the fleet again once Redis is back, %s',
    async (_what, leave, comeBack) => {
      const redis = await startRedis()
      const one = await join(redis)
      const other = await join(redis)
      await one.lookAt(FLOOD)
      await all('emergency', [one, other])
      await leave(redis, one, other)
      expect(await one.lookAt(CALM, MINIMUM_MS)).toBe('emergency')
      expect(await one.lookAt(CALM, MINIMUM_MS - 1)).toBe('emergency')
      expect(await one.lookAt(CALM, 1)).toBe('recovering')
      expect(await one.lookAt(CALM, MINIMUM_MS)).toBe('calm')
      await comeBack(redis)
      await all('emergency', [one, other])
      for (let look = 0; look < 10; look++) await one.lookAt(CALM, MINIMUM_MS / 10 - 1)
      expect(one.said()).toEqual(['warn emergency', 'info recovering', 'info calm', 'warn emergency'])
      expect(states([one, other])).toEqual(['emergency', 'emergency'])
      expect(one.emergency.status.isFleetTold).toBe(true)
    },
  )

  it('one that is started then does as the others, and finds out afterwards what the fleet is in', async () => {
    const redis = await startRedis()
    const before = await join(redis)
    await before.emergency.order({ mode: 'off', by: 'ada' })
    redis.freeze()
    const guard = guardOf(singleTarget(redis.port), 'emergency')
    closing.push(() => guard.close())
    const late = await start({ redis: guard })
    expect(await late.lookAt(FLOOD)).toBe('emergency')
    redis.thaw()
    await eventually('it knows', () => late.emergency.status.mode === 'off')
    expect(late.emergency.state).toBe('calm')
  })

  it('an operator’s order holds here at once, and everywhere afterwards', async () => {
    const redis = await startRedis()
    const one = await join(redis)
    const other = await join(redis)
    await one.lookAt(FLOOD)
    await all('emergency', [one, other])
    await lose(redis, one, other)
    expect(await one.emergency.order({ mode: 'off', by: 'ada' })).toBe(false)
    expect(one.emergency.status).toMatchObject({ state: 'calm', mode: 'off', isFleetTold: false })
    expect((await one.emergency.history())[0]).toMatchObject({ by: 'ada', isFleetTold: false })
    expect(await other.lookAt(FLOOD)).toBe('emergency')
    await redis.start()
    await eventually('all have it', async () => {
      await one.emergency.look() // refused while what was lost is being written back
      return other.emergency.status.mode === 'off'
    })
    expect(states([one, other])).toEqual(['calm', 'calm'])
    expect(one.emergency.status.isFleetTold).toBe(true)
  })

  it('of two orders the later one holds afterwards', async () => {
    const redis = await startRedis()
    const one = await join(redis)
    const other = await join(redis)
    await hang(redis, one, other)
    await one.emergency.order({ mode: 'on', by: 'ada' })
    other.clock.nowMs += 1_000
    await other.emergency.order({ mode: 'off', by: 'bob' })
    redis.thaw()
    await eventually('both agree', async () => {
      await Promise.all([one.emergency.look(), other.emergency.look()])
      return [one, other].every(({ emergency: { status } }) => status.isFleetTold && status.by === 'bob')
    })
    expect(states([one, other])).toEqual(['calm', 'calm'])
  })

  it('an order reaches the processes of the machine by whom it was given to, and is the same one afterwards', async () => {
    const redis = await startRedis()
    const passed: PassedOrder[] = []
    const primary = await join(redis, { passOn: (order) => passed.push(order) })
    const worker = await join(redis)
    await primary.emergency.order({ mode: 'off', by: 'ada' })
    expect(passed).toEqual([])
    await eventually('the worker has heard of it', () => worker.emergency.status.mode === 'off')
    await hang(redis, primary, worker)
    await primary.emergency.order({ mode: 'on', by: 'ada', seconds: 600 })
    for (const order of passed) await worker.emergency.follow(order)
    expect(states([primary, worker])).toEqual(['emergency', 'emergency'])
    expect(worker.emergency.status.until).toBe(primary.emergency.status.until)
    for (const order of passed) await worker.emergency.follow(order)
    expect(worker.said()).toEqual(['info calm', 'warn emergency'])
    redis.thaw()
    await eventually('the fleet is told', async () => {
      await Promise.all([primary.emergency.look(), worker.emergency.look()])
      return [primary, worker].every(({ emergency }) => emergency.status.isFleetTold)
    })
    expect(states([primary, worker])).toEqual(['emergency', 'emergency'])
    await primary.emergency.order({ mode: 'off', by: 'bob' })
    await all('calm', [primary, worker])
    for (const order of passed) await worker.emergency.follow(order)
    expect(worker.emergency.state).toBe('calm')
  })

  it('who takes no traffic decides nothing by signals that it does not have', async () => {
    const redis = await startRedis()
    const worker = await join(redis)
    const primary = await join(redis, { passOn: () => undefined })
    await worker.lookAt(FLOOD)
    await all('emergency', [worker, primary])
    expect(await primary.lookAt(CALM, 2 * MINIMUM_MS)).toBe('emergency')
    expect(await primary.lookAt(FLOOD, 2 * MAXIMUM_MS)).toBe('emergency')
    await lose(redis, primary)
    expect(await primary.lookAt(CALM, MAXIMUM_MS)).toBe('emergency')
  })

  it('is one also in a cluster', async () => {
    const cluster = await startCluster()
    closing.push(() => cluster.close())
    const joinCluster = async () => {
      const guard = await connectedGuard(clusterTarget(cluster), 'emergency')
      closing.push(() => guard.close())
      return start({ redis: guard })
    }
    const instances = [await joinCluster(), await joinCluster()]
    const [one, other] = instances as [Started, Started]
    expect(await one.lookAt(FLOOD)).toBe('emergency')
    await all('emergency', instances)
    expect(await other.emergency.order({ mode: 'off', by: 'bob' })).toBe(true)
    await all('calm', instances)
  }, 90_000)
})
