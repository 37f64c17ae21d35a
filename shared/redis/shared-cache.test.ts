import { afterEach, describe, expect, it } from 'vitest'
import type { RedisGuard } from '../redis.ts'
import { eventually } from '../testing/eventually.ts'
import { connectedGuard, singleTarget } from '../testing/redis-guards.ts'
import { redisOfFile } from '../testing/redis-of-file.ts'
import { Gathered } from './gathered.ts'
import { SharedCache } from './shared-cache.ts'

const redis = await redisOfFile()
let service = 0
const guards: RedisGuard[] = []
const clock = { nowMs: 1_000_000, wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs }

afterEach(() => {
  service++
  for (const guard of guards.splice(0)) guard.close()
})

const connect = async (): Promise<RedisGuard> => {
  const guard = await connectedGuard(singleTarget(redis.port), `cache${service}`)
  guards.push(guard)
  return guard
}

const newCache = async (entriesLimit = 100): Promise<SharedCache> =>
  new SharedCache(await connect(), { name: 'c', entriesLimit, freshMs: 1_000 }, clock)

describe('a shared cache', () => {
  it('knows what any instance has set', async () => {
    const [one, other] = [await newCache(), await newCache()]
    expect(await other.get('k')).toBeUndefined()
    await one.set('k', 'v', 60_000)
    expect([one.peek('k'), other.peek('k')]).toEqual(['v', undefined])
    expect(await other.get('k'), 'as was heard last').toBeUndefined()
    clock.nowMs += 1_000
    expect(await other.get('k')).toBe('v')
    expect(other.peek('k')).toBe('v')
  })

  it('asks again once its copy is no longer fresh, and once for all who ask at a time', async () => {
    const guard = await connect()
    const cache = new SharedCache(guard, { name: 'c', entriesLimit: 10, freshMs: 1_000 }, clock)
    const other = await newCache()
    await other.set('k', 'old', 60_000)
    const asked = () => guard.counts.calls.answered
    const before = asked()
    expect(await Promise.all([cache.get('k'), cache.get('k'), cache.get('k')])).toEqual(['old', 'old', 'old'])
    await other.set('k', 'new', 60_000)
    expect(await cache.get('k')).toBe('old')
    expect(asked() - before).toBe(1)
    clock.nowMs += 1_000
    expect(await cache.get('k')).toBe('new')
    expect(asked() - before).toBe(2)
  })

  it('forgets at the end of a life, everywhere', async () => {
    const [one, other] = [await newCache(), await newCache()]
    await one.set('k', 'v', 50)
    expect(await other.get('k')).toBe('v')
    clock.nowMs += 50
    expect([one.peek('k'), other.peek('k')]).toEqual([undefined, undefined])
    await eventually('Redis has forgotten, too', async () => {
      clock.nowMs += 1_000
      return (await other.get('k')) === undefined
    })
  })

  it('holds no more than it may, and keeps what was used last', async () => {
    const cache = new SharedCache(undefined, { name: 'c', entriesLimit: 3 }, clock)
    for (const key of ['a', 'b', 'c']) await cache.set(key, key, 60_000)
    cache.peek('a')
    await cache.set('d', 'd', 60_000)
    expect(cache.size).toBe(3)
    expect(['a', 'b', 'c', 'd'].map((key) => cache.peek(key))).toEqual(['a', undefined, 'c', 'd'])
  })

  it('goes on with what it knows while Redis is lost', async () => {
    const [one, other] = [await newCache(), await newCache()]
    await one.set('k', 'v', 60_000)
    await other.get('k')
    await redis.kill()
    clock.nowMs += 30_000
    expect([await one.get('k'), await other.get('k'), await other.get('unknown')]).toEqual(['v', 'v', undefined])
    await other.set('own', 'o', 60_000)
    expect(await other.get('own')).toBe('o')
    await redis.start()
  })
})

describe('what is gathered', () => {
  it('is the latest of all the others', async () => {
    const [one, other] = [new Gathered(await connect(), 'g', 'i'), new Gathered(await connect(), 'g', 'i')]
    await one.tell('s', 'first')
    await one.tell('s', 'second')
    expect([await one.others('s'), await other.others('s'), await other.others('t')]).toEqual([[], ['second'], []])
  })

  it('is unknown while Redis is lost, and nothing where there is none', async () => {
    const gathered = new Gathered(await connect(), 'g', 'i')
    await redis.kill()
    await gathered.tell('s', 'unheard')
    expect(await gathered.others('s')).toBeUndefined()
    await redis.start()
    expect(await new Gathered(undefined, 'g', 'i').others('s')).toEqual([])
  })
})
