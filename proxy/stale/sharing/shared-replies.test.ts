import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RedisTarget } from '#shared/redis/settings.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { clusterTarget, guardOf, HOST, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { startCluster } from '#shared/testing/redis-topologies.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { Purges } from '../../cdn/purge/purges.ts'
import { RedisPurgeLedger } from '../../cdn/purge/redis-purge-ledger.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { AppliedPurges } from '../applied-purges.ts'
import type { KeptReply } from '../kept-reply.ts'
import { StaleStore } from '../stale-store.ts'
import { SharedReplies } from './shared-replies.ts'

const MEBIBYTE = 1_048_576

const policyWith = (sharedBytes: number) =>
  new TestPolicies({
    routes: { all: { match: { path: '/*' }, stale: { keepSeconds: 600 } } },
    stale: { storeBytes: 4 * MEBIBYTE, sharedBytes },
  })

let redis: RedisProcess
let services = 0
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  redis = await new RedisProcess(await freePort()).start()
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(() => redis.close())

const newService = (): string => `shared-replies-${services++}`

/** What one instance has of stale replies, and nothing else of it. */
class Member {
  readonly store = new StaleStore()
  readonly applied = new AppliedPurges(this.store)
  readonly guard: RedisGuard
  readonly purges: Purges
  readonly sharing: SharedReplies
  readonly policies: TestPolicies
  nowMs = 0

  private constructor(guard: RedisGuard, sharedBytes: number) {
    this.guard = guard
    this.policies = policyWith(sharedBytes)
    const clock = { wallMs: () => Date.now(), monotonicMs: () => this.nowMs }
    this.purges = new Purges(new RedisPurgeLedger(guard, `instance-${services++}`), this.applied, quietLog)
    this.sharing = new SharedReplies(guard, this, quietLog, clock)
  }

  static async start(service: string, sharedBytes = 64 * MEBIBYTE, target: RedisTarget = singleTarget(redis.port)) {
    const guard = guardOf(target, service, 20_000) // no call is given up by a busy machine
    const member = new Member(guard, sharedBytes)
    closing.push(() => member.crash())
    await eventually('it is connected', () => !guard.isImpaired)
    await member.purges.learn()
    await member.sharing.work()
    return member
  }

  keep(path: string, text = path, more: Partial<KeptReply> = {}): void {
    const reply: KeptReply = {
      ...{ status: 200, statusText: 'OK', headers: ['Content-Type', 'text/plain'], body: Buffer.from(text) },
      ...{ pathAndQuery: path, tags: [`tag-of-${path}`], vary: [], receivedAtMs: this.nowMs, ageSeconds: 0 },
      ...{ freshSeconds: undefined, servableSeconds: Number.POSITIVE_INFINITY, kind: 'other', isSaid: true },
      ...more,
    }
    this.store.put(path, reply, this.policies.active.policy.stale.storeBytes)
  }

  textOf(path: string): string | undefined {
    return this.store.peek(path)?.replies[0]?.body.toString()
  }

  async purge(kind: 'url' | 'tag' | 'prefix' | 'everything', values: readonly string[]): Promise<void> {
    const order = { kind, values, isSoft: true, author: 'alice' }
    expect(await this.purges.order(order as unknown as Parameters<Purges['order']>[0], false)).toBeDefined()
  }

  /** Until nothing waits to be written. */
  async shareAll(): Promise<void> {
    let before: number
    do {
      before = this.sharing.counts.shared
      await this.sharing.work()
    } while (this.sharing.counts.shared > before)
  }

  #isGone = false
  async crash(): Promise<void> {
    if (this.#isGone) return
    this.#isGone = true
    await this.purges.close() // else purges would wait for it
    this.guard.close() // and nobody is told anything any more
  }
}

const keysOf = async (service: string): Promise<string[]> => {
  const client = new Redis(redis.port, HOST)
  const keys = await client.keys(`*${service}:stale:*`)
  await client.quit()
  return keys
}

describe('what one instance keeps', () => {
  it('is kept by one that starts when the first is gone, with its age', async () => {
    const service = newService()
    const one = await Member.start(service)
    one.nowMs = 50_000
    for (let index = 0; index < 300; index++) one.keep(`/page-${index}`)
    one.keep('/language', 'deutsch', { vary: [{ lowerName: 'accept-language', value: 'de' }] })
    one.keep('/language', 'english', { vary: [{ lowerName: 'accept-language', value: 'en' }], receivedAtMs: 20_000 })
    one.nowMs = 60_000
    await one.shareAll()
    await one.crash()

    const two = await Member.start(service)
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
    const [one, two] = [await Member.start(service), await Member.start(service)]
    for (const member of [one, two, one]) {
      member.keep('/page')
      await member.shareAll()
    }
    expect([one.sharing.counts.shared, two.sharing.counts.shared]).toEqual([1, 0])
  })

  it('is not there any more once the app has taken it back', async () => {
    const service = newService()
    const one = await Member.start(service)
    one.keep('/page')
    one.keep('/other')
    await one.shareAll()
    one.store.drop('/page')
    await one.shareAll()
    const two = await Member.start(service)
    expect([two.textOf('/page'), two.textOf('/other')]).toEqual([undefined, '/other'])
  })

  it('does not take the place of what is younger', async () => {
    const service = newService()
    const one = await Member.start(service)
    one.keep('/page', 'old')
    await one.shareAll()
    const two = await Member.start(service)
    two.keep('/page', 'new', { receivedAtMs: 1 })
    expect(two.textOf('/page')).toBe('new')
  })

  it('is not more in Redis than the policy says: what was written first gives way', async () => {
    const service = newService()
    const one = await Member.start(service, 200_000)
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
    const two = await Member.start(service, 200_000)
    expect([two.textOf('/page-0'), two.textOf('/page-99')?.length]).toEqual([undefined, 10_000])
    expect(two.store.size).toBeGreaterThan(10)
  })

  it('is counted once, however often and by however many it is written', async () => {
    const service = newService()
    const [one, two] = [await Member.start(service), await Member.start(service)]
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
    const one = await Member.start(service)
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
    const one = await Member.start(service)
    for (const path of ['/a', '/b', '/c']) one.keep(path)
    await one.shareAll()
    const client = new Redis(redis.port, HOST)
    const [entries] = await client.keys(`*${service}:stale:*:entries`)
    await client.hset(entries as string, '/a', 'what is this', '/b', '1 1 {"layout":2}\n')
    await client.quit()
    const two = await Member.start(service)
    expect(['/a', '/b', '/c'].map((path) => two.textOf(path))).toEqual([undefined, undefined, '/c'])
  })

  it('works in a cluster', { timeout: 90_000 }, async () => {
    const cluster = await startCluster()
    closing.push(() => cluster.close())
    const target = clusterTarget(cluster)
    const service = newService()
    const one = await Member.start(service, MEBIBYTE, target)
    one.keep('/page')
    await one.shareAll()
    await one.purge('tag', ['others'])
    const two = await Member.start(service, MEBIBYTE, target)
    expect(two.textOf('/page')).toBe('/page')
    for (const member of [two, one]) await member.crash()
  })
})

describe('what was purged', () => {
  it.each([
    ['url', ['https://shop.example/page']],
    ['tag', ['tag-of-/page']],
    ['prefix', ['https://shop.example/pa']],
    ['everything', []],
  ] as const)('by %s after it had been shared does not come back', async (kind, values) => {
    const service = newService()
    const one = await Member.start(service)
    one.keep('/page')
    one.keep('/other')
    await one.shareAll()
    await one.purge(kind, values)
    const two = await Member.start(service)
    expect([two.textOf('/page'), two.textOf('/other')]).toEqual([
      undefined,
      kind === 'everything' ? undefined : '/other',
    ])
  })

  it('before it had been shared is no reason to drop it', async () => {
    const service = newService()
    const one = await Member.start(service)
    await one.purge('everything', [])
    one.keep('/page')
    await one.shareAll()
    expect((await Member.start(service)).textOf('/page')).toBe('/page')
  })

  it('may be what has missed more purges than are looked at', async () => {
    const service = newService()
    const one = await Member.start(service)
    one.keep('/page')
    await one.shareAll()
    for (let times = 0; times < 1_001; times++) {
      await one.purge('tag', ['others'])
      if (times === 998) expect((await Member.start(service)).textOf('/page')).toBe('/page')
    }
    expect((await Member.start(service)).textOf('/page')).toBeUndefined()
  }, 60_000)

  it('while an instance starts is not kept there: a hundred times', { timeout: 60_000 }, async () => {
    const service = newService()
    const one = await Member.start(service)
    for (let round = 0; round < 100; round++) {
      one.keep(`/page-${round}`)
      await one.shareAll()
      const starting = Member.start(service)
      await delay(round % 10)
      await one.purge('url', [`https://shop.example/page-${round}`])
      const two = await starting
      expect(two.textOf(`/page-${round}`)).toBeUndefined()
      await two.crash()
    }
  })

  it('may be what is older than a purge that Redis does not know any more', async () => {
    const service = newService()
    const one = await Member.start(service)
    for (const path of ['/old', '/others']) {
      await one.purge('tag', ['others'])
      one.keep(path)
      await one.shareAll()
    }
    await one.purge('tag', ['others'])
    one.keep('/new')
    await one.shareAll()
    const client = new Redis(redis.port, HOST)
    await client.zremrangebyrank(String(await client.keys(`*${service}:purges:*:log`)), 1, 1)
    await client.quit()
    const two = await Member.start(service)
    expect([two.textOf('/old'), two.textOf('/new')]).toEqual([undefined, '/new'])
  })

  it('and forgotten by Redis, which has come back as it was before, does not come back', async () => {
    const service = newService()
    const one = await Member.start(service)
    one.keep('/page')
    await one.purge('tag', ['others'])
    await one.shareAll()
    const client = new Redis(redis.port, HOST)
    const before = new Map<string, Buffer>()
    for (const key of await client.keys(`*${service}:*`)) before.set(key, (await client.dumpBuffer(key)) as Buffer)
    await one.purge('url', ['https://shop.example/page'])
    for (const key of await client.keys(`*${service}:*`)) await client.del(key)
    for (const [key, dumped] of before) await client.restore(key, 0, dumped)
    await client.quit()
    await one.purges.learn()
    await one.sharing.work()
    expect(one.purges.losses).toBe(1)
    expect((await Member.start(service)).textOf('/page')).toBeUndefined()
  })

  it('is kept by nobody, whatever instances start, share and purge: random courses', { timeout: 120_000 }, async () => {
    const paths = ['/a', '/ab', '/b'] as const
    const path = fc.constantFrom(...paths)
    const by = fc.nat(1)
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('keep' as const), by, path }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('share' as const), by }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('url', 'prefix', 'tag'), by, path }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), by }) },
    )
    let loaded = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (steps) => {
        const service = newService()
        const members = [await Member.start(service), await Member.start(service)]
        let version = 0
        const purgedUpTo = new Map<string, number>()
        for (const one of steps) {
          const member = members[one.by] as Member
          if (one.do === 'keep') member.keep(one.path, `${++version}`, { receivedAtMs: ++member.nowMs })
          else if (one.do === 'share') await member.sharing.work()
          else if (one.do === 'restart') {
            await member.crash()
            const next = await Member.start(service)
            next.nowMs = member.nowMs
            members[one.by] = next
            loaded += next.sharing.counts.loaded
          } else {
            const value = one.do === 'tag' ? `tag-of-${one.path}` : `https://shop.example${one.path}`
            await member.purge(one.do, [value])
            for (const each of paths) {
              if (one.do === 'prefix' ? each.startsWith(one.path) : each === one.path) purgedUpTo.set(each, version)
            }
          }
          for (const { store } of members) {
            for (const each of paths) {
              for (const { body } of store.peek(each)?.replies ?? [])
                expect(Number(body)).toBeGreaterThan(purgedUpTo.get(each) ?? 0)
            }
          }
        }
        for (const member of members) await member.crash()
      }),
      { numRuns: 60 },
    )
    expect(loaded).toBeGreaterThan(20) // else nothing was shown
  })
})

it('a Redis that is not there at the start is read when it is', async () => {
  const own = await new RedisProcess(await freePort()).start()
  closing.push(() => own.close())
  const service = newService()
  const one = await Member.start(service, MEBIBYTE, singleTarget(own.port))
  one.keep('/page')
  await one.shareAll()
  await one.crash()
  own.freeze()
  const guard = guardOf(singleTarget(own.port), service, 200)
  closing.push(async () => guard.close())
  const store = new StaleStore()
  const applied = new AppliedPurges(store)
  const purges = new Purges(new RedisPurgeLedger(guard, 'late'), applied, quietLog)
  closing.push(() => purges.close())
  const sharing = new SharedReplies(guard, { store, applied, purges, policies: policyWith(MEBIBYTE) }, quietLog)
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
