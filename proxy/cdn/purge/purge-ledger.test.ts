import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { connectedGuard, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { AppliedPurges } from '../../stale/applied-purges.ts'
import { StaleStore } from '../../stale/stale-store.ts'
import { MemoryPurgeLedger } from './memory-purge-ledger.ts'
import type { PurgeLedger } from './purge-ledger.ts'
import type { PurgeOrder } from './purge-order.ts'
import { Purges } from './purges.ts'
import { RedisPurgeLedger } from './redis-purge-ledger.ts'

const redis = await redisOfFile()

let services = 0
const newService = () => `purges-${services++}`

const inRedis = async (service = newService(), instanceId = 'one', port = redis.port): Promise<RedisPurgeLedger> => {
  const guard = await connectedGuard(singleTarget(port), service, 500)
  onTestFinished(() => guard.close())
  return new RedisPurgeLedger(guard, instanceId)
}

const order = (id: string, values: readonly string[] = ['a']): PurgeOrder => ({
  ...{ id, kind: 'tag', values, isSoft: true, author: 'ann', at: '2026-11-28T08:00:00.000Z' },
})

const ids = (orders: readonly { readonly values: readonly string[] }[] | undefined) =>
  orders?.map(({ values }) => values[0])

const ledgers: readonly (readonly [string, () => Promise<PurgeLedger>])[] = [
  ['in Redis', () => inRedis()],
  ['in memory', async () => new MemoryPurgeLedger()],
]

describe.each(ledgers)('a ledger %s', (_where, open) => {
  it('tells of each purge once, in their order', async () => {
    const ledger = await open()
    expect(await ledger.news()).toMatchObject({ orders: [], hasGap: false })
    for (let number = 0; number < 50; number++) await ledger.accept(order(`${number}`, [`${number}`]), false)
    const heard: unknown[] = []
    for (let asked = 0; asked < 10; asked++) heard.push(...(ids((await ledger.news())?.orders) ?? []))
    expect(heard).toEqual(Array.from({ length: 50 }, (_, number) => `${number}`))
  })

  it('gives what is due to one alone, until it has been settled or its time has passed', async () => {
    const ledger = await open()
    for (const id of ['a', 'b', 'c']) await ledger.accept(order(id), true)
    await ledger.accept(order('here alone'), false)
    expect((await ledger.due(2, 60_000)).map(({ order: { id } }) => id)).toEqual(['a', 'b'])
    expect((await ledger.due(2, 1)).map(({ order: { id } }) => id)).toEqual(['c'])
    await eventually('the third is due again', async () => (await ledger.due(2, 60_000))[0]?.order.id === 'c')
    const at = '2026-11-28T08:00:01.000Z'
    await ledger.settle([
      { id: 'a', delivery: { state: 'delivered', attempts: 1, at }, againInMs: undefined },
      { id: 'b', delivery: { state: 'retrying', attempts: 1, at, error: '503 ,"delivery":"number":5}' }, againInMs: 0 },
      { id: 'nobody', delivery: { state: 'delivered', attempts: 1, at }, againInMs: undefined },
    ])
    expect(await ledger.due(9, 60_000)).toEqual([{ order: order('b'), attempts: 1 }])
    await ledger.settle([{ id: 'b', delivery: { state: 'delivered', attempts: 2, at }, againInMs: undefined }])
    await ledger.settle([{ id: 'b', delivery: { state: 'retrying', attempts: 9, at }, againInMs: 0 }]) // by who was late
    expect(await ledger.due(9, 60_000)).toEqual([])
    expect(await ledger.report('a')).toMatchObject({
      order: order('a'),
      delivery: { state: 'delivered', attempts: 1, at },
    })
    expect(await ledger.report('b')).toMatchObject({ delivery: { state: 'delivered', attempts: 2, at } })
    expect(await ledger.report('here alone')).toMatchObject({ delivery: { state: 'local', attempts: 0 } })
    expect(await ledger.report('nobody')).toBe('unknown')
  })

  it('knows whether it has been carried out', async () => {
    const ledger = await open()
    const purges = new Purges(ledger, new AppliedPurges(new StaleStore()), quietLog)
    onTestFinished(() => purges.close())
    await purges.learn()
    const report = await purges.order({ kind: 'tag', values: ['a'], isSoft: true, author: 'ann' }, false)
    expect(report).toMatchObject({ instances: { purged: 1, of: 1 }, order: { author: 'ann' } })
  })
})

describe('a fleet', () => {
  const join = async (service: string, instanceId: string, port = redis.port) => {
    const applied = new AppliedPurges(new StaleStore())
    const purges = new Purges(await inRedis(service, instanceId, port), applied, quietLog)
    onTestFinished(() => purges.close())
    await purges.learn()
    return { applied, purges }
  }
  const given = { kind: 'tag', values: ['a'], isSoft: true, author: 'ann' } as const

  it('has carried out a purge when it is answered', async () => {
    const service = newService()
    const [one, two, three] = [await join(service, 'one'), await join(service, 'two'), await join(service, 'three')]
    for (let time = 1; time <= 20; time++) {
      expect(await two.purges.order(given, false)).toMatchObject({ instances: { purged: 3, of: 3 } })
      expect([one, two, three].map(({ applied }) => applied.generation)).toEqual([time, time, time])
    }
  })

  it('that one comes to later need not carry out what was before', async () => {
    const service = newService()
    const one = await join(service, 'one')
    await one.purges.order(given, false)
    const late = await join(service, 'late')
    expect(late.applied.generation).toBe(0)
    expect(await late.purges.order(given, false)).toMatchObject({ instances: { purged: 2, of: 2 } })
    expect(late.applied.generation).toBe(1)
  })

  it('one that begins without Redis, and hears of none meanwhile, empties all that it has kept', async () => {
    const own = await new RedisProcess(await freePort()).start()
    onTestFinished(() => own.close())
    const service = newService()
    const ledger = await inRedis(service, 'late', own.port)
    const one = await join(service, 'one', own.port)
    own.freeze()
    expect(await ledger.news()).toBeUndefined()
    own.thaw()
    await eventually('a purge is accepted', async () => (await one.purges.order(given, false)) !== undefined)
    let news: Awaited<ReturnType<typeof ledger.news>>
    await eventually('it is heard of', async () => {
      news = await ledger.news()
      return news !== undefined
    })
    expect(news).toMatchObject({ hasGap: true })
    expect(await ledger.news()).toMatchObject({ hasGap: false })
  }, 60_000)

  it('one that knows of a purge which Redis has lost empties all, though another has its number', async () => {
    const service = newService()
    const [ledger, other] = [await inRedis(service, 'one'), await inRedis(service, 'two')]
    for (const one of [ledger, other]) await one.news()
    await other.accept(order('lost'), false)
    expect(ids((await ledger.news())?.orders)).toEqual(['a'])
    const key = (name: string) => `sidegate:${service}:purges:{purges}:${name}`
    await redis.command(['ZREM', key('log'), 'lost'], ['HDEL', key('orders'), 'lost'], ['DECR', key('last')])
    await other.accept(order('another', ['b']), false)
    expect(await ledger.news()).toMatchObject({ orders: [], hasGap: true })
    await other.accept(order('and another', ['c']), false)
    expect(await ledger.news()).toMatchObject({ orders: [{ id: 'and another' }], hasGap: false })
    expect(await ledger.news()).toMatchObject({ orders: [], hasGap: false })
  })

  it('accepts nothing while Redis is lost; and what may have been missed empties all', async () => {
    const own = await new RedisProcess(await freePort()).start()
    onTestFinished(() => own.close())
    const service = newService()
    const one = await join(service, 'one', own.port)
    await one.purges.order(given, false)
    await own.kill()
    expect(await one.purges.order(given, false)).toBeUndefined()
    expect(await one.purges.report('any')).toBeUndefined()
    await own.start() // empty
    const isPurged = (): boolean => one.applied.hasPurged(1, { tags: [], pathAndQuery: '/whatever' })
    expect(isPurged()).toBe(false)
    await eventually('all that was kept before is gone', isPurged)
    await eventually('purges are accepted again', async () => (await one.purges.order(given, false)) !== undefined)
  }, 60_000)
})
