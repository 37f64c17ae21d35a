import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { PostgresCluster } from '../../deploy/local/postgres-cluster.ts'
import { startTestCluster } from '../testing/cluster.ts'
import { createTestDatabase, runOn, type TestDatabase } from '../testing/database.ts'
import { openTestLink, type TestLink } from '../testing/link.ts'
import { startApp, type TestApp } from '../testing/start-app.ts'
import type { Answer, Database } from './database.ts'

const ID = '019b7880-4600-7000-8000-000000000000'

let cluster: PostgresCluster
let own: TestDatabase
let links: { primary: TestLink; replica: TestLink }
let app: TestApp
let database: Database

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.stop())

beforeEach(async () => {
  own = await createTestDatabase(cluster.primaryUrl, cluster.replicaUrl)
  links = { primary: await openTestLink(own.primaryUrl), replica: await openTestLink(own.replicaUrl) }
  app = await startApp({
    primaryUrl: links.primary.url,
    replicaUrls: [links.replica.url],
    statementTimeoutMs: 1_000,
  })
  database = app.database
  await setPrice(1)
  await own.replicated()
})
afterEach(async () => {
  for (const link of Object.values(links)) link.set('open')
  await runOn(cluster.replicaUrl, 'select pg_wal_replay_resume()')
  await app.close()
  await Promise.all(Object.values(links).map((link) => link.close()))
  await own.drop()
})

const setPrice = (priceCents: number): Promise<Answer<unknown>> =>
  database.write((client) =>
    client.listing.upsert({
      where: { id: ID },
      create: { id: ID, title: 'One', description: '', category: 'books', priceCents, currency: 'EUR', city: 'Gent' },
      update: { priceCents },
    }),
  )

const readPrice = async () => {
  const { value, servedBy } = await database.read((client) => client.listing.findFirst({ where: { id: ID } }))
  return { priceCents: value?.priceCents, servedBy }
}

describe('a read', () => {
  test('is answered by the replica that streams from the primary', async () => {
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'replica' })
  })

  test('is answered by the primary until the replica has replayed what this process wrote', async () => {
    await runOn(cluster.replicaUrl, 'select pg_wal_replay_pause()')
    await setPrice(2)
    expect(await readPrice()).toEqual({ priceCents: 2, servedBy: 'primary' })
    expect(await readPrice()).toEqual({ priceCents: 2, servedBy: 'primary' })
    await runOn(cluster.replicaUrl, 'select pg_wal_replay_resume()')
    await own.replicated()
    expect(await readPrice()).toEqual({ priceCents: 2, servedBy: 'replica' })
  })

  test('moves on to the primary when the replica breaks off, and comes back to it', async () => {
    links.replica.set('cut')
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'primary' })
    await app.dependency('database-replica-1', 'down')
    expect(app.health.ready().status).toBe(200)
    links.replica.set('open')
    await app.dependency('database-replica-1', 'up')
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'replica' })
  })

  test('moves on to the primary when the replica hangs, at the statement timeout; the next does not wait for it', async () => {
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'replica' })
    links.replica.set('frozen')
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'primary' })
    expect(app.logged.filter(({ replica }) => replica === 'replica-1')).toHaveLength(1)
    expect(await Promise.all([readPrice(), readPrice(), readPrice()])).toEqual(
      Array(3).fill({ priceCents: 1, servedBy: 'primary' }),
    )
    expect(app.logged.filter(({ replica }) => replica === 'replica-1')).toHaveLength(1)
  })

  test('that failed on a replica keeps the next ones from it, until a probe has found it well', async () => {
    const seldomProbed = await startApp({
      primaryUrl: links.primary.url,
      replicaUrls: [links.replica.url],
      probeIntervalMs: 600_000,
    })
    try {
      const read = async () => (await seldomProbed.database.read((client) => client.listing.count())).servedBy
      expect(await read()).toBe('replica')
      links.replica.set('cut')
      expect([await read(), await read(), await read()]).toEqual(['primary', 'primary', 'primary'])
      expect(seldomProbed.logged.filter(({ replica }) => replica === 'replica-1')).toHaveLength(1)
    } finally {
      await seldomProbed.close()
    }
  })

  test('that is at fault itself fails as it does on the primary', async () => {
    const reading = database.read((client) => client.$queryRaw`select 1 / 0`)
    await expect(reading).rejects.toMatchObject({ name: 'PrismaClientKnownRequestError' })
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'replica' })
  })
})

describe('without the primary', () => {
  test('reads go on by the replica, writes are refused as unavailable, and it is not ready until the primary is back', async () => {
    links.primary.set('cut')
    await app.dependency('database-primary', 'down')
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'replica' })
    await expect(setPrice(2)).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
    expect(app.health.ready().status).toBe(503)
    expect(app.health.live().status).toBe(200)
    links.primary.set('open')
    await app.dependency('database-primary', 'up')
    expect(app.health.ready().status).toBe(200)
    await setPrice(3)
    await own.replicated()
    expect(await readPrice()).toEqual({ priceCents: 3, servedBy: 'replica' })
  })

  test('a replica that lacks the last write answers all the same, and says so', async () => {
    await runOn(cluster.replicaUrl, 'select pg_wal_replay_pause()')
    await setPrice(2)
    links.primary.set('cut')
    expect(await readPrice()).toEqual({ priceCents: 1, servedBy: 'replica-behind' })
  })

  test('that hangs, a write ends at its timeout', async () => {
    links.primary.set('frozen')
    await expect(setPrice(2)).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  })

  test('and without a replica, a read is refused as unavailable', async () => {
    links.primary.set('cut')
    links.replica.set('cut')
    await expect(readPrice()).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  })
})

describe('a write', () => {
  test('whose place in the log cannot be learned is not acknowledged', async () => {
    const writing = database.write(async (client) => {
      await client.listing.update({ where: { id: ID }, data: { priceCents: 9 } })
      links.primary.set('cut')
    })
    await expect(writing).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  })

  test('that PostgreSQL ends at the statement timeout is refused as unavailable', async () => {
    const writing = database.write((client) => client.$queryRaw`select pg_sleep(30)::text`)
    await expect(writing).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  })
})

test('servers that were mixed up are found out: a standby is no primary, and a primary no replica', async () => {
  const mixedUp = await startApp({ primaryUrl: own.replicaUrl, replicaUrls: [own.primaryUrl], expected: 'down' })
  try {
    expect(mixedUp.health.ready().status).toBe(503)
    expect(mixedUp.health.report().body.dependencies).toMatchObject([
      { lastError: { message: 'it is a standby: it takes no writes' } },
      { lastError: { message: 'it is not a standby: it takes writes of its own' } },
    ])
  } finally {
    await mixedUp.close()
  }
})
