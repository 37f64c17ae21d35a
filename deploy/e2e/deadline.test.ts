import { connect } from 'node:net'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { DEADLINE_HEADER } from '#shared/deadline.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { createTestDatabase, runOn, type TestDatabase } from '../../app/testing/database.ts'
import { startApp, type TestApp } from '../../app/testing/start-app.ts'
import { TestPolicies } from '../../proxy/testing/policies.ts'
import { startProxy, type TestProxy } from '../../proxy/testing/start-proxy.ts'

/** Longer than any test: whatever ends a query, it is not the server's own limit. */
const NEVER = 600_000

let own: TestDatabase
let app: TestApp
let proxy: TestProxy | undefined
let holder: pg.Client

beforeEach(async () => {
  own = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'))
  // Whoever makes a listing sleeps.
  await runOn(
    own.primaryUrl,
    `create function fall_asleep() returns trigger language plpgsql as 'begin perform pg_sleep(600); return new; end';
     create trigger asleep before insert on listings for each row execute function fall_asleep()`,
  )
  app = await startApp({ primaryUrl: own.primaryUrl, statementTimeoutMs: NEVER })
  holder = new pg.Client(own.primaryUrl)
  await holder.connect()
})
afterEach(async () => {
  await proxy?.close()
  await app.close()
  await holder.end()
  await own.drop()
})

const start = async (operation: Readonly<Record<string, number>>): Promise<TestProxy> => {
  proxy = await startProxy(app.url, {}, new TestPolicies({ operations: { read: operation, write: operation } }))
  return proxy
}

/** Statements about listings that the app has the server run now. */
const running = async (): Promise<number> => {
  const rows = await runOn(
    own.primaryUrl,
    `select 1 from pg_stat_activity where datname = current_database() and application_name like 'app-%'
     and state <> 'idle' and query ilike '%listings%'`,
  )
  return rows.length
}

const isRunning = () => eventually('the server runs its query', async () => (await running()) > 0)
const isOver = () => eventually('the server runs no query of it', async () => (await running()) === 0)

const LISTING = { title: 'One', description: 'x', category: 'books', priceCents: 1, currency: 'EUR', city: 'Gent' }
const post = (origin: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${origin}/listings`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(LISTING),
  })

describe('after a 504, no query of that exchange is still running on the server', () => {
  it('that sleeps, with the total of its operation', async () => {
    const { origin } = await start({ totalTimeoutMs: 700 })
    const replying = post(origin)
    await isRunning()
    const reply = await replying
    expect(reply.status).toBe(504)
    expect(await reply.json()).toMatchObject({ status: 504, correlationId: reply.headers.get('X-Request-ID') })
    await isOver()
    expect(await runOn(own.primaryUrl, 'select id from listings')).toEqual([])
  })

  it('that waits for a lock', async () => {
    const { origin } = await start({ totalTimeoutMs: 700 })
    await holder.query('begin')
    await holder.query('lock table listings in access exclusive mode')
    const replying = fetch(`${origin}/listings`)
    await isRunning()
    expect((await replying).status).toBe(504)
    await isOver()
    await holder.query('rollback')
    expect((await fetch(`${origin}/listings`)).status).toBe(200)
  })

  it('where the proxy alone knows that it took too long, as the head of the reply has its own limit', async () => {
    const { origin } = await start({ headersTimeoutMs: 700 })
    const replying = post(origin)
    await isRunning()
    expect((await replying).status).toBe(504)
    await isOver()
  })

  it('by a deadline of the app alone', async () => {
    const replying = post(app.url, { [DEADLINE_HEADER]: '700' })
    await isRunning()
    const reply = await replying
    expect(reply.status).toBe(504)
    expect(await reply.json()).toMatchObject({ title: 'Gateway Timeout' })
    await isOver()
  })
})

it('a client that leaves takes its query with it', async () => {
  const { port } = await start({})
  const body = JSON.stringify(LISTING)
  const client = connect(port, '127.0.0.1')
  client.write(
    `POST /listings HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await isRunning()
  client.destroy()
  await isOver()
})
