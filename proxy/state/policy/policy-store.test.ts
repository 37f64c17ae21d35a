import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { connectedGuard, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { initialPolicy } from './policy-file.ts'
import { PolicyStore } from './policy-store.ts'

const redis = await redisOfFile()
const closing: (() => void)[] = []
let service = 0

afterEach(() => {
  service++
  for (const close of closing.splice(0)) close()
})

const startStore = async (isShared = true): Promise<PolicyStore> => {
  const guard = isShared ? await connectedGuard(singleTarget(redis.port), `policy${service}`) : undefined
  const store = new PolicyStore(await initialPolicy(undefined), guard, quietLog)
  await store.open()
  closing.push(() => {
    store.close()
    guard?.close()
  })
  return store
}

const limitOf = (store: PolicyStore): unknown => store.active.policy.limits.l?.requests
const withLimit = (requests: number) => ({ limits: { l: { requests, perSeconds: 1 } } })

describe.each([
  ['shared by Redis', true],
  ['in one process', false],
])('%s', (_name, isShared) => {
  it('a change is in force at once, with what it changes', async () => {
    const store = await startStore(isShared)
    expect(store.active.version).toBe(0)
    const change = await store.apply(0, withLimit(5), { author: 'ada' })
    expect(change).toMatchObject({ kind: 'applied', version: 1 })
    expect(change.kind === 'applied' && change.differences).toContainEqual({
      path: 'limits.l',
      from: undefined,
      to: expect.objectContaining({ requests: 5, perSeconds: 1 }),
    })
    expect(store.active.version).toBe(1)
    expect(limitOf(store)).toBe(5)
  })

  it('a document with a problem changes nothing', async () => {
    const store = await startStore(isShared)
    const before = store.active
    expect(
      await store.apply(0, { limits: { l: { requests: 0, perSeconds: 1 } }, more: 1 }, { author: 'ada' }),
    ).toMatchObject({
      kind: 'invalid',
      problems: [{ path: 'limits.l.requests' }, { path: 'more' }],
    })
    expect(store.active).toBe(before)
    expect(store.newestVersion).toBe(0)
  })

  it('one who has not seen the newest version is refused', async () => {
    const store = await startStore(isShared)
    await store.apply(0, withLimit(1), { author: 'ada' })
    expect(await store.apply(0, withLimit(2), { author: 'bob' })).toEqual({ kind: 'conflict', version: 1 })
    expect(limitOf(store)).toBe(1)
  })

  it('an earlier version is in force again, as a new one, and all are kept', async () => {
    const store = await startStore(isShared)
    await store.apply(0, withLimit(1), { author: 'ada' })
    await store.apply(1, withLimit(2), { author: 'bob' })
    expect(await store.rollBack(2, 1, { author: 'eve' })).toMatchObject({ kind: 'applied', version: 3 })
    expect(limitOf(store)).toBe(1)
    expect(await store.rollBack(3, 0, { author: 'eve' })).toMatchObject({ kind: 'applied', version: 4 })
    expect(limitOf(store)).toBeUndefined()
    expect(await store.rollBack(4, 9, { author: 'eve' })).toEqual({ kind: 'unknown' })
    const history = await store.history()
    expect(history.map(({ version, author }) => [version, author])).toEqual([
      [4, 'eve'],
      [3, 'eve'],
      [2, 'bob'],
      [1, 'ada'],
      [0, 'defaults'],
    ])
  })

  it('a policy that is written back is no change', async () => {
    const store = await startStore(isShared)
    await store.apply(0, withLimit(7), { author: 'ada' })
    const change = await store.apply(1, JSON.parse(JSON.stringify(store.active.policy)), { author: 'ada' })
    expect(change).toMatchObject({ kind: 'applied', version: 2, differences: [] })
  })
})

it('all instances have a change, and those who come later', async () => {
  const stores = await Promise.all([startStore(), startStore(), startStore()])
  await stores[0]?.apply(0, withLimit(5), { author: 'ada' })
  await eventually('all have it', () => stores.every((store) => limitOf(store) === 5))
  expect(limitOf(await startStore())).toBe(5)
})

it('writers at once lose nothing', async () => {
  const stores = await Promise.all([startStore(), startStore(), startStore()])
  const write = async (store: PolicyStore, name: string): Promise<number> => {
    for (;;) {
      const { limits } = store.active.policy
      const change = await store.apply(
        store.active.version,
        { limits: { ...limits, [name]: { requests: 1, perSeconds: 1 } } },
        { author: name },
      )
      if (change.kind === 'applied') return change.version
      if (change.kind === 'conflict')
        await eventually('the newer one is here', () => store.active.version >= change.version)
      else await delay(5) // a machine that is busy: others must have their turn, or Redis is never there again
    }
  }
  const names = Array.from({ length: 24 }, (_, index) => `l${index}`)
  const versions = await Promise.all(names.map((name, index) => write(stores[index % 3] as PolicyStore, name)))
  expect(versions.toSorted((a, b) => a - b)).toEqual(names.map((_, index) => index + 1))
  await eventually('all have all', () =>
    stores.every((store) => names.every((name) => Object.hasOwn(store.active.policy.limits, name))),
  )
})

it('a version that this release cannot use is refused, told of, and got over', async () => {
  const store = await startStore()
  await store.apply(0, withLimit(5), { author: 'ada' })
  const key = `sidegate:policy${service}:document:{policy}`
  const body = JSON.stringify({ document: { newKey: 1 }, author: 'later', at: 'x' })
  await redis.command(
    ['HSET', key, 'version', 2, 'body', body],
    ['LPUSH', `${key}:history`, `2 ${body}`],
    ['PUBLISH', `sidegate:policy${service}:document:policy:changed`, 2],
  )
  await eventually('it is refused', () => store.refused?.version === 2)
  expect(store.refused?.problems).toEqual([
    { path: 'newKey', message: expect.stringContaining('not part of a policy') },
  ])
  expect(store.active.version).toBe(1)
  expect(await store.apply(2, withLimit(6), { author: 'ada' })).toMatchObject({ kind: 'applied', version: 3 })
  expect(store.refused).toBeUndefined()
  expect(limitOf(store)).toBe(6)
})

it('without the Redis that is configured it goes on, and says that nothing can be changed', async () => {
  const store = await startStore()
  await store.apply(0, withLimit(5), { author: 'ada' })
  await redis.kill()
  expect(await store.apply(1, withLimit(6), { author: 'ada' })).toEqual({ kind: 'unavailable' })
  expect(limitOf(store)).toBe(5)
  expect(await store.history()).toHaveLength(2)
  await redis.start()
})
