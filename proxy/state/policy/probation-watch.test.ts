import { Writable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { initialPolicy } from './policy-file.ts'
import { PolicyStore } from './policy-store.ts'
import { ProbationWatch } from './probation-watch.ts'

const START_MS = Date.parse('2026-01-01T00:00:00Z')

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Setting {
  readonly redis?: RedisGuard
}

const start = async ({ redis }: Setting = {}) => {
  const clock = { nowMs: START_MS, wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs }
  const lines: Record<string, unknown>[] = []
  const stream = new Writable({
    write(chunk, _encoding, callback) {
      lines.push(JSON.parse(String(chunk)))
      callback()
    },
  })
  const log = createLogger({ LOG_LEVEL: 'info', LOG_FORMAT: 'json' }, instanceIdentity('proxy', '0'), stream)
  const store = new PolicyStore(await initialPolicy(undefined), redis, log, clock)
  await store.open()
  const burn = {
    requests: 0,
    badShare: 0,
    of: () => ({ requests: burn.requests, badShare: burn.badShare }),
    latest: async () => burn.of(),
  }
  const watch = new ProbationWatch(store, burn, log, clock)
  closing.push(
    () => store.close(),
    () => watch.close(),
  )
  const apply = async (requests: number, badShareNow: number | null = 0, more: object = {}) => {
    const document = { limits: { l: { requests, perSeconds: 1 } }, ...more }
    const watched = { isOnProbation: badShareNow !== null, badShareNow: badShareNow ?? undefined }
    const change = await store.apply(store.newestVersion, document, { author: 'ada' }, watched)
    expect(change).toMatchObject({ kind: 'applied' })
  }
  return { store, watch, burn, clock, lines, apply, limit: () => store.active.policy.limits.l?.requests }
}

const fails = { requests: 1_000, badShare: 0.5 }

describe('a policy on probation', () => {
  it('is rolled back when more requests fail than before, and the history says why', async () => {
    const { store, watch, burn, lines, apply, limit } = await start()
    await apply(1, null)
    await apply(2)
    expect(store.probation).toMatchObject({ base: 1, badShareBefore: 0, until: '2026-01-01T00:05:00.000Z' })
    Object.assign(burn, fails)
    await watch.look()
    expect([store.active.version, limit()]).toEqual([3, 1])
    const reason = '50 % of 1000 requests were refused or failed; before, it was 0 %: back to version 1'
    expect((await store.history())[0]).toMatchObject({ version: 3, author: 'sidegate', reason })
    expect(lines.filter(({ audit }) => audit !== undefined)).toMatchObject([
      { level: 'warn', audit: 'policy rolled back by itself', policyVersion: 3, rolledBackVersion: 2, reason },
    ])
  })

  it('may go back to what the process was started with', async () => {
    const { store, watch, burn, apply, limit } = await start()
    await apply(1)
    Object.assign(burn, fails)
    await watch.look()
    expect([store.active.version, limit()]).toEqual([2, undefined])
  })

  it.each<[string, { requests?: number; badShare?: number; before?: number; more?: object; afterMs?: number }, number]>(
    [
      ['fewer requests than it takes', { requests: 199 }, 1],
      ['just as many requests as it takes', { requests: 200 }, 2],
      ['no more failing than is tolerated', { badShare: 0.1 }, 1],
      ['no more failing than before', { badShare: 0.9, before: 0.85 }, 1],
      ['tolerance of its own', { badShare: 0.5, more: { probation: { badShare: 0.5 } } }, 1],
      ['a limit of its own', { requests: 10, more: { probation: { minimumRequests: 10 } } }, 2],
      ['its time nearly over', { afterMs: 299_999 }, 2],
      ['its time over', { afterMs: 300_000 }, 1],
      ['no time', { more: { probation: { seconds: 0 } } }, 1],
    ],
  )('with %s', async (_what, { requests = 1_000, badShare = 0.5, before = 0, more = {}, afterMs = 0 }, version) => {
    const { store, watch, burn, clock, apply } = await start()
    await apply(1, before, more)
    clock.nowMs += afterMs
    Object.assign(burn, { requests, badShare })
    await watch.look()
    expect(store.active.version).toBe(version)
  })

  it('that is changed once more goes back to what was before both, and is measured by that', async () => {
    const { store, watch, burn, apply, limit } = await start()
    await apply(1, null)
    await apply(2, 0.05)
    await apply(3, 0.9)
    expect(store.probation).toMatchObject({ base: 1, badShareBefore: 0.05 })
    Object.assign(burn, fails)
    await watch.look()
    expect([store.active.version, limit()]).toEqual([4, 1])
  })

  it('goes back also when that has long been out of the history', async () => {
    const { store, watch, burn, apply, limit } = await start()
    await apply(7, null)
    for (let requests = 100; requests < 160; requests++) await apply(requests)
    expect((await store.history()).some(({ version }) => version === 1)).toBe(false)
    expect(store.probation).toMatchObject({ base: 1 })
    Object.assign(burn, fails)
    await watch.look()
    expect(limit()).toBe(7)
  })

  it('is not, where its author has said so, and neither is a roll-back of either kind', async () => {
    const { store, watch, burn, apply } = await start()
    await apply(1, null)
    await apply(2)
    Object.assign(burn, fails)
    await watch.look()
    expect(store.probation).toBeUndefined()
    await store.rollBack(3, 2, { author: 'ada' })
    expect(store.probation).toBeUndefined()
    await watch.look()
    expect(store.active.version).toBe(4)
  })

  it('is measured by what was known before, where too few requests have come since to tell', async () => {
    const { store, watch, burn, apply } = await start()
    await apply(1, 0.3)
    Object.assign(burn, { requests: 1_000, badShare: 0.9 })
    await watch.look()
    Object.assign(burn, { requests: 49, badShare: 1 })
    expect(await watch.badShareNow()).toBeUndefined()
    const document = { limits: { l: { requests: 2, perSeconds: 1 } } }
    await store.apply(2, document, { author: 'ada' }, { isOnProbation: true, badShareNow: await watch.badShareNow() })
    expect(store.probation).toMatchObject({ badShareBefore: 0.3 })
    Object.assign(burn, { requests: 1_000, badShare: 0.35 })
    await watch.look()
    expect(store.active.version).toBe(3)
    expect(await watch.badShareNow()).toBe(0.35)
  })

  it('shows itself, and how it does', async () => {
    const { watch, burn, apply, clock } = await start()
    expect(watch.status()).toBeUndefined()
    await apply(1, 0.02)
    Object.assign(burn, { requests: 7, badShare: 0.01 })
    expect(watch.status()).toEqual({
      ...{ since: '2026-01-01T00:00:00.000Z', until: '2026-01-01T00:05:00.000Z', base: 0, badShareBefore: 0.02 },
      ...{ requests: 7, badShare: 0.01 },
    })
    clock.nowMs += 300_000
    expect(watch.status()).toBeUndefined()
  })
})

it('of a fleet in which all see it, one rolls back', async () => {
  const redis = await new RedisProcess(await freePort()).start()
  closing.push(() => redis.close())
  const instances = await Promise.all(
    ['a', 'b', 'c', 'd'].map(async () => {
      const guard = await connectedGuard(singleTarget(redis.port), 'probation')
      closing.push(() => guard.close())
      return start({ redis: guard })
    }),
  )
  const all = (version: number) => () => instances.every(({ store }) => store.active.version === version)
  await instances[0]?.apply(1, null)
  await eventually('all have the first', all(1))
  await instances[1]?.apply(2)
  await eventually('all have the second', all(2))
  expect(instances.map(({ store }) => store.probation?.base)).toEqual([1, 1, 1, 1])
  for (const { burn } of instances) Object.assign(burn, fails)
  await Promise.all(instances.map(({ watch }) => watch.look()))
  await eventually('all have the third', all(3))
  expect(instances.map(({ limit }) => limit())).toEqual([1, 1, 1, 1])
  expect(instances.flatMap(({ lines }) => lines.filter(({ audit }) => audit !== undefined))).toHaveLength(1)
})
