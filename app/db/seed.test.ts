import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { PostgresServer } from './postgres-server.ts'
import { sampleListings } from './sample-listings.ts'
import { seed } from './seed.ts'

let database: TestDatabase
let server: PostgresServer

beforeAll(async () => {
  database = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'))
  server = new PostgresServer(database.primaryUrl, {
    poolSize: 4,
    connectionTimeoutMs: 2_000,
    statementTimeoutMs: 10_000,
    applicationName: 'seed-test',
  })
})
afterAll(async () => {
  await server.close()
  await database.drop()
})

test('an empty table is filled once, even by two that do it at once; a table with rows is left alone', async () => {
  const counts = await Promise.all([seed(server.client), seed(server.client)])
  const total = await server.client.listing.count()
  expect(total).toBe(counts[0] + counts[1])
  expect(total).toBe(sampleListings(total).length)
  expect(await seed(server.client)).toBe(0)
  expect(await server.client.listing.count()).toBe(total)
})

test('the samples are the same each time, and each has an ID of its own', () => {
  const samples = sampleListings(500)
  expect(samples).toEqual(sampleListings(500))
  expect(new Set(samples.map(({ id }) => id)).size).toBe(500)
})
