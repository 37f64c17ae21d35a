import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { clusterTarget, guardOf, HOST, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { startCluster } from '#shared/testing/redis-topologies.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { Purges } from '../../cdn/purge/purges.ts'
import { RedisPurgeLedger } from '../../cdn/purge/redis-purge-ledger.ts'
import { AppliedPurges } from '../applied-purges.ts'
import { StaleStore } from '../stale-store.ts'
import { SharedReplies } from './shared-replies.ts'
import { policyWith, SharingMember } from './testing/sharing-member.ts'

const redis = await redisOfFile()
let services = 0
const newService = (): string => `shared-replies-${services++}`

const start = (service: string, sharedBytes?: number): Promise<SharingMember> =>
  SharingMember.start(singleTarget(redis.port), service, sharedBytes)

const keysOf = async (service: string): Promise<string[]> => {
  const client = new Redis(redis.port, HOST)
  const keys = await client.keys(`*${service}:stale:*`)
  await client.quit()
  return keys
}

describe('what one instance keeps', () => {
  it('is kept by one that starts when the first is gone, with its age', async () => {
    const service = newService()
    const one = await start(service)
    one.nowMs = 50_000
    for (let index = 0; index < 300; index++) one.keep(`/page-${index}`)
    one.keep('/language', 'deutsch', { vary: [{ lowerName: 'accept-language', value: 'de' }] })
    one.keep('/language', 'english', { vary: [{ lowerName: 'accept-language', value: 'en' }], receivedAtMs: 20_000 })
    one.nowMs = 60_000
    await one.shareAll()
    await one.leave()

    const two = await start(service)
    expect(two.store.size).toBe(301)
    expect(two.textOf('/page-299')).toBe('/page-299')
    const variants = two.store.peek('/language')?.replies ?? []
    expect(variants.map(({ body }) => body.toString())).toEqual(['english', 'deutsch'])
    const [english = 0, german = 0] = variants.map(({ receivedAtMs }) => two.nowMs - receivedAtMs)
    expect(german).toBeGreaterThanOrEqual(10_000)
    expect(english - german).toBe(30_000)
    await two.shareAll()
    expect(two.sharing.counts).toEqual({ shared: 0, loaded: 301 }) // it was there
  })

  it('is written once a minute, whoever keeps it', async () => {
    const service = newService()
    const [one, two] = [await start(service), await start(service)]
    for (const member of [one, two, one]) {
      member.keep('/page')
      await member.shareAll()
    }
    expect([one.sharing.counts.shared, two.sharing.counts.shared]).toEqual([1, 0])
  })

  it('is not there any more once the app has taken it back', async () => {
    const service = newService()
    const one = await start(service)
    one.keep('/page')
    one.keep('/other')
    await one.shareAll()
    one.store.drop('/page')
    await one.shareAll()
    const two = await start(service)
    expect([two.textOf('/page'), two.textOf('/other')]).toEqual([undefined, '/other'])
  })

  it('goes as a whole where more has been taken back than can be remembered, as while Redis is lost', async () => {
    const service = newService()
    const one = await start(service)
    one.keep('/page')
    await one.shareAll()
    for (let index = 0; index <= 20_000; index++) one.store.drop(`/written-${index}`)
    await one.sharing.work()
    expect((await start(service)).textOf('/page')).toBeUndefined()
    one.keep('/later')
    await one.shareAll()
    expect((await start(service)).textOf('/later')).toBe('/later')
  })

  it('does not take the place of what is younger', async () => {
    const service = newService()
    const one = await start(service)
    one.keep('/page', 'old')
    await one.shareAll()
    const two = await start(service)
    two.keep('/page', 'new', { receivedAtMs: 1 })
    expect(two.textOf('/page')).toBe('new')
  })

  it('is not more in Redis than the policy says: what was written first gives way', async () => {
    const service = newService()
    const one = await start(service, 200_000)
    for (let index = 0; index < 100; index++) {
      one.keep(`/page-${index}`, 'x'.repeat(10_000))
      await one.sharing.work()
    }
    expect(one.sharing.counts.shared).toBe(100)
    const client = new Redis(redis.port, HOST)
    const [entries] = await client.keys(`*${service}:stale:*:entries`)
    const { bytes, ...held } = await client.hgetall(entries as string)
    await client.quit()
    expect(Number(bytes)).toBeLessThanOrEqual(200_000)
    expect(Object.values(held).join('').length).toBeLessThanOrEqual(Number(bytes))
    const two = await start(service, 200_000)
    expect([two.textOf('/page-0'), two.textOf('/page-99')?.length]).toEqual([undefined, 10_000])
    expect(two.store.size).toBeGreaterThan(10)
  })

  it('is counted once, however often and by however many it is written', async () => {
    const service = newService()
    const [one, two] = [await start(service), await start(service)]
    const bytes: string[] = []
    const client = new Redis(redis.port, HOST)
    for (const members of [[one], [one, two], [two, one]]) {
      one.store.drop('/page')
      await one.sharing.work()
      for (const member of members) member.keep('/page', 'x'.repeat(1_000), { receivedAtMs: ++member.nowMs })
      await Promise.all(members.map(({ sharing }) => sharing.work()))
      const [entries] = await client.keys(`*${service}:stale:*:entries`)
      bytes.push((await client.hget(entries as string, 'bytes')) as string)
    }
    await client.quit()
    expect(one.sharing.counts.shared + two.sharing.counts.shared).toBe(5)
    expect(new Set(bytes).size).toBe(1)
  })

  it('leaves Redis when it is not to be shared any more, and when nobody writes it', async () => {
    const service = newService()
    const one = await start(service)
    one.keep('/page')
    await one.shareAll()
    const client = new Redis(redis.port, HOST)
    for (const key of await keysOf(service)) expect(await client.pttl(key)).toBeGreaterThan(0)
    await client.quit()
    await one.sharing.end()
    expect(await keysOf(service)).toEqual([])
  })

  it('that cannot be read is left alone', async () => {
    const service = newService()
    const one = await start(service)
    for (const path of ['/a', '/b', '/c']) one.keep(path)
    await one.shareAll()
    const client = new Redis(redis.port, HOST)
    const [entries] = await client.keys(`*${service}:stale:*:entries`)
    await client.hset(entries as string, '/a', 'what is this', '/b', '1 1 {"layout":2}\n')
    await client.quit()
    const two = await start(service)
    expect(['/a', '/b', '/c'].map((path) => two.textOf(path))).toEqual([undefined, undefined, '/c'])
  })

  it('works in a cluster', { timeout: 90_000 }, async () => {
    const cluster = await startCluster()
    onTestFinished(() => cluster.close())
    const target = clusterTarget(cluster)
    const service = newService()
    const one = await SharingMember.start(target, service)
    one.keep('/page')
    await one.shareAll()
    await one.purge('tag', ['others'])
    const two = await SharingMember.start(target, service)
    expect(two.textOf('/page')).toBe('/page')
    for (const member of [two, one]) await member.leave()
  })
})

it('a Redis that is not there at the start is read when it is', async () => {
  const own = await new RedisProcess(await freePort()).start()
  onTestFinished(() => own.close())
  const service = newService()
  const one = await SharingMember.start(singleTarget(own.port), service)
  one.keep('/page')
  await one.shareAll()
  await one.leave()
  own.freeze()
  const guard = guardOf(singleTarget(own.port), service, 200)
  onTestFinished(() => guard.close())
  const store = new StaleStore()
  const applied = new AppliedPurges(store)
  const purges = new Purges(new RedisPurgeLedger(guard, 'late'), applied, quietLog)
  onTestFinished(() => purges.close())
  const sharing = new SharedReplies(guard, { store, applied, purges, policies: policyWith(1_048_576) }, quietLog)
  await purges.learn()
  await sharing.work()
  expect(store.size).toBe(0)
  own.thaw()
  await eventually('it is kept here', async () => {
    await purges.learn()
    await sharing.work()
    return store.size === 1
  })
})
