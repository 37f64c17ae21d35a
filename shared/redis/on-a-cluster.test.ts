import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RedisGuard } from '../redis.ts'
import { eventually } from '../testing/eventually.ts'
import { clusterTarget, connectedGuard, quietLog } from '../testing/redis-guards.ts'
import { mastersOf, startCluster, type Topology } from '../testing/redis-topologies.ts'
import { Fleet } from './fleet.ts'
import { LeaderLock } from './leader-lock.ts'
import { SharedCounts } from './shared-counts.ts'
import { SharedDocument } from './shared-document.ts'

let cluster: Topology
const guards: RedisGuard[] = []

beforeAll(async () => {
  cluster = await startCluster()
  for (let i = 0; i < 2; i++) guards.push(await connectedGuard(clusterTarget(cluster)))
}, 90_000)

afterAll(async () => {
  for (const guard of guards) guard.close()
  await cluster.close()
})

it('counts are spread over the masters and come together', async () => {
  const [one, other] = guards.map(
    (guard, index) => new SharedCounts(guard, `i${index}`, { name: 'n', keysLimit: 500 }),
  ) as [SharedCounts, SharedCounts]
  const keys = Array.from({ length: 100 }, (_, index) => `k${index}`)
  const isHeard = () => keys.every((key) => one.add(key, 0, 60_000) === 3 && other.add(key, 0, 60_000) === 3)
  for (const key of keys) one.add(key, 1, 60_000)
  for (const key of keys) other.add(key, 2, 60_000)
  await eventually('all are known to both', isHeard)
  expect(new Set(keys.map((key) => guards[0]?.shardOf(guards[0].key(`count:n:${key}`)))).size).toBe(3)
  await one.close()
  await other.close()
})

it('a master that dies takes no count with it', async () => {
  const [one, other] = guards.map(
    (guard, index) => new SharedCounts(guard, `i${index}`, { name: 'm', keysLimit: 500 }),
  ) as [SharedCounts, SharedCounts]
  const keys = Array.from({ length: 30 }, (_, index) => `k${index}`)
  for (const key of keys) one.add(key, 1, 60_000)
  await one.flush()
  const [lost] = await mastersOf(cluster)
  await lost?.kill()
  for (const key of keys) other.add(key, 2, 60_000)
  await eventually('all are known to both', () =>
    keys.every((key) => one.add(key, 0, 60_000) === 3 && other.add(key, 0, 60_000) === 3),
  )
  await lost?.start()
  await one.close()
  await other.close()
}, 60_000)

it('a document is agreed on, and heard of without a poll', async () => {
  const documents = guards.map(
    (guard) =>
      new SharedDocument(guard, { name: 'd', historyLimit: 5, pollIntervalMs: 600_000 }, quietLog, () => undefined),
  ) as [SharedDocument, SharedDocument]
  await Promise.all(documents.map((document) => document.open()))
  await eventually('the other hears of it', async () => {
    await documents[0].propose(documents[0].current?.version ?? 0, 'x')
    return documents[1].current !== undefined
  })
  for (const document of documents) document.close()
})

it('one leads, and the fleet is counted', async () => {
  const locks = guards.map((guard, index) => new LeaderLock(guard, `i${index}`, { name: 'l', leaseMs: 900 }, quietLog))
  await eventually('one leads', () => locks.filter(({ token }) => token !== undefined).length === 1)
  const fleets = guards.map((guard, index) => new Fleet(guard, 'proxy', `i${index}`, 100))
  await eventually('both are counted', () => fleets.every(({ size }) => size === 2))
  await Promise.all([...locks, ...fleets].map((one) => one.close()))
})
