import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '#shared/clock.ts'
import type { RedisTarget } from '#shared/redis/settings.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { clusterTarget, guardOf, HOST, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { startCluster } from '#shared/testing/redis-topologies.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { FleetHistory } from './fleet-history.ts'

const redis = await redisOfFile()
let services = 0
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const newService = (): string => `fleet-history-${services++}`
let nowMs = 1_800_000_000_000
const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
const HOUR_MS = 3_600_000

interface Member {
  readonly guard: RedisGuard
  readonly history: FleetHistory
}

const join = async (
  service: string,
  { timeoutMs = 20_000, target = singleTarget(redis.port) }: { timeoutMs?: number; target?: RedisTarget } = {},
): Promise<Member> => {
  const guard = guardOf(target, service, timeoutMs)
  const history = new FleetHistory(guard, 'i', quietLog, clock)
  closing.push(async () => {
    guard.close() // so that nothing is told that the test does not tell
    await history.close()
  })
  await eventually('it is connected', () => !guard.isImpaired)
  await history.flush(true)
  return { guard, history }
}

const count = ({ history }: Member, good: number): void => history.add('operation/read', nowMs, Uint32Array.of(0, good))
const good = ({ history }: Member, windowMs = HOUR_MS): number => history.sum('operation/read', windowMs)[0] as number

const settle = async (...members: readonly Member[]): Promise<void> => {
  for (const { history } of [...members, ...members]) await history.flush(true)
}

describe('what the fleet has counted', () => {
  it('is known here at once, and everywhere when it has been told', async () => {
    const service = newService()
    const [one, two] = [await join(service), await join(service)]
    count(one, 3)
    count(two, 4)
    expect([good(one), good(two)]).toEqual([3, 4])
    await settle(one, two)
    expect([good(one), good(two)]).toEqual([7, 7])
  })

  it('is known to who comes later, in windows of any length', async () => {
    const service = newService()
    const one = await join(service)
    const startedAtMs = nowMs
    for (let hour = 0; hour < 48; hour++) {
      count(one, 1)
      nowMs += HOUR_MS
      await one.history.flush()
    }
    const two = await join(service)
    expect([HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 720 * HOUR_MS].map((windowMs) => good(two, windowMs))).toEqual([
      0, 5, 23, 48,
    ])
    expect(good(one, 720 * HOUR_MS)).toBe(48)
    nowMs = startedAtMs + 721 * HOUR_MS
    expect(good(two, 720 * HOUR_MS)).toBe(46) // the first two have left the window
  })

  it('is added once, though nobody knows whether Redis has heard it', async () => {
    const own = await new RedisProcess(await freePort()).start()
    closing.push(() => own.close())
    const service = newService()
    const one = await join(service, { timeoutMs: 300, target: singleTarget(own.port) })
    count(one, 5)
    await one.history.flush()
    own.freeze()
    count(one, 7)
    await one.history.flush() // Redis has it, and cannot say so
    expect(good(one)).toBe(12)
    count(one, 1)
    own.thaw()
    await eventually('it is connected', () => !one.guard.isImpaired)
    await settle(one)
    const two = await join(service, { target: singleTarget(own.port) })
    expect([good(one), good(two), one.history.lostBatches]).toEqual([13, 13, 0])
  })

  it('is remembered by instances when Redis has lost it, and told to it once, by however many', async () => {
    const own = await new RedisProcess(await freePort()).start()
    closing.push(() => own.close())
    const target = singleTarget(own.port)
    const service = newService()
    const [one, two, three] = [
      await join(service, { target }),
      await join(service, { target }),
      await join(service, { target }),
    ]
    count(one, 100)
    count(two, 20)
    await settle(one, two, three)
    await own.kill()
    await eventually('all have lost it', () => [one, two, three].every(({ guard }) => guard.isImpaired))
    for (const member of [one, two, three]) {
      count(member, 1)
      await member.history.flush()
    }
    await own.start() // empty
    await eventually('all are connected', () => [one, two, three].every(({ guard }) => !guard.isImpaired))
    await settle(one, two, three)
    const four = await join(service, { target })
    expect([one, two, three, four].map((member) => good(member))).toEqual([123, 123, 123, 123])
  })

  it.each([
    ['is asked', 0],
    ['is told, and others have told it much since', 40],
  ])(
    'is remembered also when Redis comes back as it was before, and that is noticed when it %s',
    async (_when, others) => {
      const service = newService()
      const [one, two] = [await join(service), await join(service)]
      count(one, 10)
      await settle(one, two)
      const client = new Redis(redis.port, HOST)
      closing.push(async () => void (await client.quit()))
      const before = new Map<string, Buffer>()
      for (const key of await client.keys(`*${service}:*`)) before.set(key, (await client.dumpBuffer(key)) as Buffer)
      count(one, 5)
      count(two, 5)
      await settle(one, two)
      for (const key of await client.keys(`*${service}:*`)) await client.del(key)
      for (const [key, dumped] of before) await client.restore(key, 0, dumped)
      const three = await join(service)
      for (let times = 0; times < others; times++) {
        count(three, 1)
        await three.history.flush()
      }
      count(one, 1)
      await settle(one, two, three)
      await settle(three)
      const four = await join(service)
      // What was told to the older one by who did not know better is not told apart from what was lost: the greater counts.
      const known = Math.max(20, 10 + others) + 1
      expect([one, two, three, four].map((member) => good(member))).toEqual([known, known, known, known])
    },
  )

  it('is without what may have been told to a Redis that has lost it since: nothing is counted twice', async () => {
    const own = await new RedisProcess(await freePort()).start()
    closing.push(() => own.close())
    const one = await join(newService(), { timeoutMs: 300, target: singleTarget(own.port) })
    count(one, 5)
    await settle(one)
    own.freeze()
    count(one, 7)
    await one.history.flush()
    await own.kill()
    await eventually('it has lost it', () => one.guard.isImpaired)
    count(one, 1)
    await own.start() // empty
    await eventually('it is connected', () => !one.guard.isImpaired)
    await settle(one)
    expect([good(one), one.history.lostBatches]).toEqual([6, 1])
  })

  it('leaves Redis and memory when it is out of its ring', async () => {
    const service = newService()
    const one = await join(service)
    count(one, 1)
    await one.history.flush()
    nowMs += 800 * HOUR_MS
    await one.history.flush(true)
    nowMs += 60_000
    await one.history.flush()
    expect(one.history.series).toEqual([])
    const client = new Redis(redis.port, HOST)
    closing.push(async () => void (await client.quit()))
    const [expiry = ''] = await client.keys(`*${service}:*:expiry`)
    const first = await client.zrange(expiry, '0', '-1')
    expect(first).toHaveLength(4)
    for (const record of first) await client.zadd(expiry, '1', record) // long ago
    count(one, 1)
    await one.history.flush()
    const [added = ''] = await client.keys(`*${service}:*:added`)
    expect((await client.hkeys(added)).filter((record) => first.includes(record))).toEqual([])
  })

  it('goes on where Redis has what is none of it', async () => {
    const service = newService()
    const one = await join(service)
    count(one, 3)
    await settle(one)
    const client = new Redis(redis.port, HOST)
    closing.push(async () => void (await client.quit()))
    const [added = ''] = await client.keys(`*${service}:*:added`)
    const garbage = ['what is this', '{"a": 1}', '[0, 1, 99999999, 5, 2]', '[1e300, -1]']
    for (const [at, record] of (await client.hkeys(added)).entries())
      await client.hset(added, record, garbage[at] as string)
    const two = await join(service)
    count(two, 4)
    await settle(two)
    expect(good(two)).toBeGreaterThanOrEqual(4)
    count(two, 1)
    await settle(two)
    expect(good(two)).toBeGreaterThanOrEqual(5)
    expect(two.history.lostBatches).toBe(0)
  })

  it('without a Redis is what this process has counted', async () => {
    const history = new FleetHistory(undefined, 'i', quietLog, clock)
    closing.push(() => history.close())
    history.add('operation/read', nowMs, Uint32Array.of(0, 2))
    await history.flush()
    history.add('operation/read', nowMs, Uint32Array.of(0, 3))
    expect(history.sum('operation/read', HOUR_MS)[0]).toBe(5)
  })

  it('is counted in a cluster', { timeout: 90_000 }, async () => {
    const cluster = await startCluster()
    closing.push(() => cluster.close())
    const target = clusterTarget(cluster)
    const service = newService()
    const [one, two] = [await join(service, { target }), await join(service, { target })]
    count(one, 3)
    count(two, 4)
    await settle(one, two)
    expect([good(one), good(two)]).toEqual([7, 7])
    for (const { guard } of [one, two]) guard.close()
  })
})
