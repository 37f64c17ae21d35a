import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { HOST, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { SharingMember } from './testing/sharing-member.ts'

const redis = await redisOfFile()
let services = 0
const newService = (): string => `shared-purges-${services++}`

const start = (service: string, sharedBytes?: number): Promise<SharingMember> =>
  SharingMember.start(singleTarget(redis.port), service, sharedBytes)

describe('what was purged', () => {
  it.each([
    ['url', ['https://shop.example/page']],
    ['tag', ['tag-of-/page']],
    ['prefix', ['https://shop.example/pa']],
    ['everything', []],
  ] as const)('by %s after it had been shared does not come back', async (kind, values) => {
    const service = newService()
    const one = await start(service)
    one.keep('/page')
    one.keep('/other')
    await one.shareAll()
    await one.purge(kind, values)
    const two = await start(service)
    expect([two.textOf('/page'), two.textOf('/other')]).toEqual([
      undefined,
      kind === 'everything' ? undefined : '/other',
    ])
  })

  it('before it had been shared is no reason to drop it', async () => {
    const service = newService()
    const one = await start(service)
    await one.purge('everything', [])
    one.keep('/page')
    await one.shareAll()
    expect((await start(service)).textOf('/page')).toBe('/page')
  })

  it('may be what has missed more purges than are looked at', async () => {
    const service = newService()
    const one = await start(service)
    one.keep('/page')
    await one.shareAll()
    for (let times = 0; times < 1_001; times++) {
      await one.purge('tag', ['others'])
      if (times === 998) expect((await start(service)).textOf('/page')).toBe('/page')
    }
    expect((await start(service)).textOf('/page')).toBeUndefined()
  }, 60_000)

  it('while an instance starts is not kept there: a hundred times', { timeout: 60_000 }, async () => {
    const service = newService()
    const one = await start(service)
    for (let round = 0; round < 100; round++) {
      one.keep(`/page-${round}`)
      await one.shareAll()
      const starting = start(service)
      await delay(round % 10)
      await one.purge('url', [`https://shop.example/page-${round}`])
      const two = await starting
      expect(two.textOf(`/page-${round}`)).toBeUndefined()
      await two.leave()
    }
  })

  it('may be what is older than a purge that Redis does not know any more', async () => {
    const service = newService()
    const one = await start(service)
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
    const two = await start(service)
    expect([two.textOf('/old'), two.textOf('/new')]).toEqual([undefined, '/new'])
  })

  it('and forgotten by Redis, which has come back as it was before, does not come back', async () => {
    const service = newService()
    const one = await start(service)
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
    expect((await start(service)).textOf('/page')).toBeUndefined()
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
        const members = [await start(service), await start(service)]
        let version = 0
        const purgedUpTo = new Map<string, number>()
        for (const one of steps) {
          const member = members[one.by] as SharingMember
          if (one.do === 'keep') member.keep(one.path, `${++version}`, { receivedAtMs: ++member.nowMs })
          else if (one.do === 'share') await member.sharing.work()
          else if (one.do === 'restart') {
            await member.leave()
            const next = await start(service)
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
        for (const member of members) await member.leave()
      }),
      { numRuns: 60 },
    )
    expect(loaded).toBeGreaterThan(20) // else nothing was shown
  })
})
