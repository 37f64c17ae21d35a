import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { PostgresServer } from '../db/postgres-server.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { findPage } from './listing-pages.ts'
import { type ListingOrder, listingOrder } from './listing-schemas.ts'
import { type PageCursor, readCursor } from './page-cursor.ts'

let database: TestDatabase
let server: PostgresServer

beforeAll(async () => {
  database = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'))
  server = new PostgresServer(database.primaryUrl, {
    poolSize: 2,
    connectionTimeoutMs: 5_000,
    statementTimeoutMs: 20_000,
    applicationName: 'pages-test',
  })
})
afterAll(async () => {
  await server.close()
  await database.drop()
})

/** Few values, so that most rows tie with others. */
const row = fc.record({ priceCents: fc.nat({ max: 3 }), createdAtMs: fc.nat({ max: 3 }), id: fc.uuid() })
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never

const fill = async (rows: readonly Row[]) => {
  await server.client.listing.deleteMany()
  await server.client.listing.createMany({
    data: rows.map(({ id, priceCents, createdAtMs }) => ({
      ...{ id, priceCents, createdAt: new Date(createdAtMs) },
      ...{ title: 'One of many', description: '', category: 'books', currency: 'EUR', city: 'Gent' },
    })),
  })
}

const walk = async (sort: ListingOrder, limit: number): Promise<string[]> => {
  const ids: string[] = []
  let cursor: PageCursor | undefined
  do {
    const page = await findPage(server.client, { sort, limit }, cursor)
    ids.push(...page.rows.map(({ id }) => id))
    cursor = page.nextCursor === null ? undefined : readCursor(page.nextCursor)
  } while (cursor !== undefined)
  return ids
}

/** The order as it is meant, computed without a database; UUIDs in lower case compare as PostgreSQL compares them. */
const inOrder = (rows: readonly Row[], sort: ListingOrder): string[] => {
  const direction = sort.startsWith('-') ? -1 : 1
  const value = (one: Row) => (sort.endsWith('createdAt') ? one.createdAtMs : one.priceCents)
  const compare = (one: Row, other: Row) => value(one) - value(other) || (one.id < other.id ? -1 : 1)
  return rows.toSorted((one, other) => direction * compare(one, other)).map(({ id }) => id)
}

test('walking all pages gives every row once and in order, whatever the sort, the page size and the ties', async () => {
  const rows = fc.uniqueArray(row, { maxLength: 24, selector: ({ id }) => id })
  const sort = fc.constantFrom(...listingOrder.options)
  await fc.assert(
    fc.asyncProperty(rows, sort, fc.integer({ min: 1, max: 8 }), async (some, order, limit) => {
      await fill(some)
      expect(await walk(order, limit)).toEqual(inOrder(some, order))
    }),
    { numRuns: 60 },
  )
})
