import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { type AppProcess, startAppProcess } from './testing/app-process.ts'
import { createTestDatabase, runOn, type TestDatabase } from './testing/database.ts'
import { openTestLink } from './testing/link.ts'

let database: TestDatabase
let running: AppProcess[]

beforeAll(async () => {
  database = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'))
})
beforeEach(() => {
  running = []
})
afterEach(async () => {
  for (const app of running) {
    app.signal('SIGKILL')
    await app.ended
  }
})
afterAll(() => database.drop())

const start = (environment: Record<string, string>): AppProcess => {
  const app = startAppProcess(environment)
  running.push(app)
  return app
}

const startOnFreePort = (more: Record<string, string> = {}): AppProcess =>
  start({ APP_PORT: '0', DATABASE_URL: database.primaryUrl, ...more })

/** Makes every query of listings wait, until it is let go. */
const holdListings = async () => {
  const client = new pg.Client(database.primaryUrl)
  await client.connect()
  await client.query('begin; lock table listings in access exclusive mode')
  return {
    waiting: (queries: number) =>
      vi.waitFor(async () => {
        const held = `select 1 from pg_locks where relation = 'listings'::regclass and not granted`
        expect(await runOn(database.primaryUrl, held)).toHaveLength(queries)
      }, 10_000),
    letGo: () => client.end(),
  }
}

test('it migrates, serves, and says with which server it answered', async () => {
  const empty = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'), 'none')
  const app = startOnFreePort({ DATABASE_URL: empty.primaryUrl, DATABASE_REPLICA_URLS: empty.replicaUrl })
  const url = await app.serving()
  await vi.waitFor(async () => expect((await fetch(`${url}/health/ready`)).status).toBe(200))
  await empty.replicated()
  await vi.waitFor(async () => {
    const reply = await fetch(`${url}/listings`)
    expect(await reply.json()).toEqual({ items: [], nextCursor: null })
    expect(reply.headers.get('X-Served-By')).toBe('replica')
  })
  app.signal('SIGINT')
  expect(await app.ended).toEqual({ code: 0, stderr: '' })
  await empty.drop()
})

test('it listens on a Unix socket, and leaves no file behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-app-'))
  const socketPath = join(folder, 'app.sock')
  const app = start({ APP_SOCKET: socketPath, DATABASE_URL: database.primaryUrl })
  expect(await app.serving()).toBe(`unix:${socketPath}`)
  const [reply] = (await once(get({ socketPath, path: '/listings', agent: false }), 'response')) as [IncomingMessage]
  expect(await text(reply)).toContain('"items"')
  app.signal('SIGTERM')
  expect((await app.ended).code).toBe(0)
  await rm(socketPath, { force: false }).then(
    () => expect.unreachable('the socket is still there'),
    (error: NodeJS.ErrnoException) => expect(error.code).toBe('ENOENT'),
  )
  await rm(folder, { recursive: true })
})

describe('a configuration that is wrong', () => {
  test('ends it with status 78 and every problem by name, before a port is bound', async () => {
    const { code, stderr } = await start({
      APP_PORT: 'http',
      APP_SOCKET: 'relative.sock',
      DATABASE_REPLICA_URLS: 'somewhere',
      DATABASE_POOL_SIZE: '-1',
      LOG_LEVEL: 'loud',
    }).ended
    expect(code).toBe(78)
    for (const name of [
      'APP_PORT',
      'APP_SOCKET',
      'DATABASE_URL',
      'DATABASE_REPLICA_URLS',
      'DATABASE_POOL_SIZE',
      'LOG_LEVEL',
    ]) {
      expect(stderr).toMatch(new RegExp(`^ +${name}\\b`, 'm'))
    }
  })

  test('a port in use is one, too', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const port = String((other.address() as AddressInfo).port)
    const { code, stderr } = await startOnFreePort({ APP_PORT: port }).ended
    other.close()
    expect(code).toBe(78)
    expect(stderr).toMatch(new RegExp(`APP_PORT: ${port} is already in use`))
  })
})

describe('on SIGTERM', () => {
  test('a request in flight is answered, on a connection that then closes, and it exits with 0', async () => {
    const app = startOnFreePort()
    const url = await app.serving()
    const { waiting, letGo } = await holdListings()
    const reading = fetch(`${url}/listings`)
    await waiting(1)
    app.signal('SIGTERM')
    await app.line('draining: no new connections')
    await expect(fetch(`${url}/health/live`, { headers: { Connection: 'close' } })).rejects.toThrow()
    await letGo()
    const reply = await reading
    expect(reply.status).toBe(200)
    expect(await reply.json()).toHaveProperty('items')
    expect(await app.ended).toEqual({ code: 0, stderr: '' })
    expect(await app.line('drained')).toMatchObject({ cut: 0, inFlightAtStart: { requests: 1 } })
  })

  test('it is not ready but serves for DRAIN_DELAY_MS; then each reply closes its connection, and none is lost', async () => {
    const app = startOnFreePort({ DRAIN_DELAY_MS: '600' })
    const url = await app.serving()
    const statuses: (number | undefined)[] = []
    /** Asks again and again until nobody listens; tells whether it had been told that its connection would close. */
    const client = async (path: string): Promise<boolean> => {
      // Of its own: one that is shared hands a client's connection to another, which then was never told.
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      let isToldToClose = false
      for (;;) {
        try {
          const [reply] = (await once(get(`${url}${path}`, { agent }), 'response')) as [IncomingMessage]
          await text(reply)
          statuses.push(reply.statusCode)
          isToldToClose = reply.headers.connection === 'close'
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException
          agent.destroy()
          if (code === 'ECONNREFUSED') return isToldToClose
          throw error
        }
      }
    }
    const paths = ['/listings', '/listings', '/health/live', '/health/live']
    const clients = Promise.all(paths.map(client))
    await vi.waitFor(() => expect(statuses.length).toBeGreaterThan(50), 10_000)
    app.signal('SIGTERM')
    await app.line('draining: not ready, still serving')
    const ready = await fetch(`${url}/health/ready`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ reasons: ['draining'] })
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
    const servedByThen = statuses.length
    expect(await clients).toEqual([true, true, true, true])
    expect((await app.ended).code).toBe(0)
    expect(statuses.length).toBeGreaterThan(servedByThen)
    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  test('what is not done by DRAIN_TIMEOUT_MS is cut, told by count, and it exits with 1', async () => {
    const app = startOnFreePort({ DRAIN_TIMEOUT_MS: '700' })
    const url = await app.serving()
    const { waiting, letGo } = await holdListings()
    const reading = fetch(`${url}/listings`)
    const lost = expect(reading).rejects.toThrow()
    await waiting(1)
    app.signal('SIGTERM')
    await lost
    expect((await app.ended).code).toBe(1)
    expect(await app.line('drain forced: what was in flight is cut')).toMatchObject({ cut: { requests: 1 } })
    await letGo()
  })
})

test('before the primary can be reached it is alive and not ready; then it migrates and serves', async () => {
  const link = await openTestLink(database.primaryUrl)
  link.set('cut')
  const app = startOnFreePort({ DATABASE_URL: link.url })
  const { address } = await app.line('listening')
  await app.line('the primary is not reached yet; migrations wait for it')
  expect((await fetch(`${address}/health/live`)).status).toBe(200)
  expect(await (await fetch(`${address}/health/ready`)).json()).toMatchObject({
    reasons: expect.arrayContaining(['starting']),
  })
  link.set('open')
  await app.serving()
  await vi.waitFor(async () => expect((await fetch(`${address}/health/ready`)).status).toBe(200), 5_000)
  await link.close()
})

test('a request that was never sent to its end does not hold up a drain', async () => {
  const app = startOnFreePort({ DRAIN_TIMEOUT_MS: '60000' })
  const url = await app.serving()
  const client = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined)
  await once(client, 'connect')
  client.write('GET / HT')
  // Accepted after it.
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  app.signal('SIGTERM')
  expect(await app.ended).toEqual({ code: 0, stderr: '' })
  client.destroy()
})

test('an address that is none of this machine stops it with 78 and the variable’s name', async () => {
  const app = startOnFreePort({ APP_HOST: 'nope.invalid' })
  const { code, stderr } = await app.ended
  expect(code).toBe(78)
  expect(stderr).toContain('  APP_HOST: nope.invalid ')
})
