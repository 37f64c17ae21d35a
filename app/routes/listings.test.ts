import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { createTestDatabase, runOn, type TestDatabase } from '../testing/database.ts'
import { startApp, type TestApp } from '../testing/start-app.ts'

const BICYCLE = { title: 'Touring bicycle', category: 'bicycles', priceCents: 32_000, city: 'Lyon' }
const NO_ID = '019b7880-4600-7000-8000-000000000000'

let database: TestDatabase
let app: TestApp

beforeAll(async () => {
  database = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'))
  app = await startApp({ primaryUrl: database.primaryUrl, replicaUrls: [database.replicaUrl] })
})
beforeEach(() => runOn(database.primaryUrl, 'truncate listings'))
afterAll(async () => {
  await app.close()
  await database.drop()
})

const call = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(`${app.url}${path}`, {
    method,
    ...(body !== undefined && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}

const make = async (changes: object = {}): Promise<string> => {
  const { status, body } = await call('POST', '/listings', { ...BICYCLE, ...changes })
  expect(status).toBe(201)
  return body.id
}

/** The fields that a reply finds fault with. */
const faults = (body: { errors: { in: string; pointer: string }[] }) =>
  body.errors.map((error) => `${error.in} ${error.pointer}`)

describe('one listing', () => {
  test('is made with defaults, and is where Location says', async () => {
    const made = await call('POST', '/listings', BICYCLE)
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({ ...BICYCLE, description: '', currency: 'EUR', status: 'available' })
    const found = await call('GET', made.headers.get('Location') ?? '')
    expect(found.status).toBe(200)
    expect(found.body).toEqual(made.body)
  })

  test('is changed in the fields that are named, and in no other', async () => {
    const id = await make()
    const before = (await call('GET', `/listings/${id}`)).body
    const changed = await call('PATCH', `/listings/${id}`, { priceCents: 30_000, status: 'reserved' })
    expect(changed.status).toBe(200)
    expect(changed.body).toEqual({
      ...before,
      priceCents: 30_000,
      status: 'reserved',
      updatedAt: expect.any(String),
    })
    expect(Date.parse(changed.body.updatedAt)).toBeGreaterThanOrEqual(Date.parse(before.updatedAt))
  })

  test('is gone after it was removed, and cannot be removed again', async () => {
    const id = await make()
    expect(await call('DELETE', `/listings/${id}`)).toMatchObject({ status: 204, body: undefined })
    expect((await call('GET', `/listings/${id}`)).status).toBe(404)
    expect((await call('DELETE', `/listings/${id}`)).status).toBe(404)
  })

  test('that never was cannot be read, changed or removed', async () => {
    for (const reply of [
      await call('GET', `/listings/${NO_ID}`),
      await call('PATCH', `/listings/${NO_ID}`, { title: 'New' }),
      await call('DELETE', `/listings/${NO_ID}`),
    ]) {
      expect(reply.status).toBe(404)
      expect(reply.body).toMatchObject({ title: 'Not Found', detail: 'There is no such listing.' })
    }
  })

  test('keeps its text as it was given, but for blanks around it', async () => {
    const id = await make({ title: '  Bücherkiste „für alle“ 📚 ', description: 'one\ntwo\tthree' })
    const { body } = await call('GET', `/listings/${id}`)
    expect(body).toMatchObject({ title: 'Bücherkiste „für alle“ 📚', description: 'one\ntwo\tthree' })
  })
})

describe('whoever writes sees what they wrote', () => {
  test('at once, in each of many rounds, whichever server answers', async () => {
    const servedBy = new Set<string | null>()
    for (let round = 0; round < 25; round++) {
      const id = await make({ priceCents: round })
      const found = await call('GET', `/listings/${id}`)
      expect(found.body?.priceCents).toBe(round)
      await call('PATCH', `/listings/${id}`, { priceCents: round + 1_000 })
      const changed = await call('GET', `/listings/${id}`)
      expect(changed.body.priceCents).toBe(round + 1_000)
      await call('DELETE', `/listings/${id}`)
      expect((await call('GET', `/listings/${id}`)).status).toBe(404)
      servedBy.add(changed.headers.get('X-Served-By'))
    }
    for (const server of servedBy) expect(server).toMatch(/^(primary|replica)$/)
  })

  test('and reads are back on the replica once it has followed', async () => {
    const id = await make()
    await database.replicated()
    const found = await call('GET', `/listings/${id}`)
    expect(found.headers.get('X-Served-By')).toBe('replica')
    expect((await call('GET', '/listings')).headers.get('X-Served-By')).toBe('replica')
  })

  test('writes are answered by the primary', async () => {
    const made = await call('POST', '/listings', BICYCLE)
    expect(made.headers.get('X-Served-By')).toBe('primary')
  })
})

describe('the list', () => {
  test('is filtered by each field, and by all of them together', async () => {
    await make({ city: 'Lyon', category: 'bicycles', priceCents: 100 })
    await make({ city: 'Lyon', category: 'books', priceCents: 200, status: 'sold' })
    await make({ city: 'Gent', category: 'books', priceCents: 300 })
    const prices = async (query: string) =>
      (await call('GET', `/listings?sort=priceCents&${query}`)).body.items.map(
        (item: { priceCents: number }) => item.priceCents,
      )
    expect(await prices('')).toEqual([100, 200, 300])
    expect(await prices('city=Lyon')).toEqual([100, 200])
    expect(await prices('category=books')).toEqual([200, 300])
    expect(await prices('status=sold')).toEqual([200])
    expect(await prices('minPriceCents=200')).toEqual([200, 300])
    expect(await prices('maxPriceCents=200')).toEqual([100, 200])
    expect(await prices('category=books&city=Lyon&minPriceCents=150&maxPriceCents=250')).toEqual([200])
    expect(await prices('city=Turku')).toEqual([])
  })

  test('comes twenty at a time, newest first, unless asked for otherwise', async () => {
    for (let made = 0; made < 21; made++) await make({ priceCents: made })
    const { body } = await call('GET', '/listings')
    expect(body.items).toHaveLength(20)
    expect(body.items[0].priceCents).toBe(20)
    const next = await call('GET', `/listings?cursor=${body.nextCursor}`)
    expect(next.body.items.map((item: { priceCents: number }) => item.priceCents)).toEqual([0])
    expect(next.body.nextCursor).toBeNull()
  })

  test('goes on where it ended, though rows before that come and go', async () => {
    const ids: string[] = []
    for (let made = 0; made < 4; made++) ids.push(await make({ priceCents: made * 10 }))
    const first = await call('GET', '/listings?sort=priceCents&limit=2')
    await call('DELETE', `/listings/${ids[0]}`)
    await make({ priceCents: 5 })
    const second = await call('GET', `/listings?sort=priceCents&limit=2&cursor=${first.body.nextCursor}`)
    expect(second.body.items.map((item: { priceCents: number }) => item.priceCents)).toEqual([20, 30])
  })
})

describe('what is not valid is refused, each field by its name', () => {
  test.each([
    ['limit=0', ['query /limit']],
    ['limit=101', ['query /limit']],
    ['limit=2.5', ['query /limit']],
    ['limit=', ['query /limit']],
    ['limit=1&limit=2', ['query /limit']],
    ['sort=title', ['query /sort']],
    ['cursor=abc', ['query /cursor']],
    ['city=%00', ['query /city']],
    ['category=Books', ['query /category']],
    ['status=gone&minPriceCents=-1&colour=red', ['query /status', 'query /minPriceCents', 'query /colour']],
  ])('in the query %s', async (query, expected) => {
    const { status, body } = await call('GET', `/listings?${query}`)
    expect(status).toBe(400)
    expect(faults(body)).toEqual(expected)
  })

  test('as a cursor of another order', async () => {
    await make()
    await make()
    const { body } = await call('GET', '/listings?limit=1&sort=priceCents')
    const reply = await call('GET', `/listings?limit=1&sort=-priceCents&cursor=${body.nextCursor}`)
    expect(reply.status).toBe(400)
    expect(reply.body.errors).toEqual([{ in: 'query', pointer: '/cursor', detail: 'belongs to another sort order' }])
  })

  test.each([
    [{}, ['body /title', 'body /category', 'body /priceCents', 'body /city']],
    [{ ...BICYCLE, title: ' ' }, ['body /title']],
    [{ ...BICYCLE, title: 'x'.repeat(121) }, ['body /title']],
    [{ ...BICYCLE, title: 'a\u0000b' }, ['body /title']],
    [{ ...BICYCLE, description: 'a\u0000b' }, ['body /description']],
    [{ ...BICYCLE, priceCents: 1.5 }, ['body /priceCents']],
    [{ ...BICYCLE, priceCents: -1 }, ['body /priceCents']],
    [{ ...BICYCLE, priceCents: 2 ** 31 }, ['body /priceCents']],
    [{ ...BICYCLE, priceCents: '100' }, ['body /priceCents']],
    [{ ...BICYCLE, currency: 'euro' }, ['body /currency']],
    [{ ...BICYCLE, id: NO_ID, 'a/b': 1 }, ['body /id', 'body /a~1b']],
    [[BICYCLE], ['body ']],
    [null, ['body ']],
  ])('in a new listing %#', async (body, expected) => {
    const reply = await call('POST', '/listings', body)
    expect(reply.status).toBe(400)
    expect(faults(reply.body)).toEqual(expected)
  })

  test.each([
    [{}, ['body ']],
    [{ title: null }, ['body /title']],
    [{ title: 'New', createdAt: 'now' }, ['body /createdAt']],
  ])('in a change %#', async (body, expected) => {
    const reply = await call('PATCH', `/listings/${await make()}`, body)
    expect(reply.status).toBe(400)
    expect(faults(reply.body)).toEqual(expected)
  })

  test('past the twentieth are counted, and no more than that', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 2_000 }, (_, number) => [`key${number}`, 1]))
    const reply = await call('POST', '/listings', { ...BICYCLE, ...unknown })
    expect(reply.status).toBe(400)
    expect(reply.body.errors).toHaveLength(20)
    expect(reply.body.detail).toBe('The request is not valid: see errors, the first 20 of 2000.')
  })

  test('in the path', async () => {
    const reply = await call('GET', '/listings/17')
    expect(reply.status).toBe(400)
    expect(faults(reply.body)).toEqual(['path /id'])
  })
})
