import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { PostgresCluster } from '../deploy/local/postgres-cluster.ts'
import { type AppProcess, startAppProcess } from './testing/app-process.ts'
import { startTestCluster } from './testing/cluster.ts'

let cluster: PostgresCluster
let app: AppProcess
let url: string

beforeAll(async () => {
  cluster = await startTestCluster()
  app = startAppProcess({
    APP_PORT: '0',
    DATABASE_URL: cluster.primaryUrl,
    DATABASE_REPLICA_URLS: cluster.replicaUrl,
    DATABASE_STATEMENT_TIMEOUT_MS: '2000',
  })
  url = await app.serving()
})
afterAll(async () => {
  app.signal('SIGTERM')
  await app.ended
  await cluster.stop()
})

const make = () =>
  fetch(`${url}/listings`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ title: 'One', category: 'books', priceCents: 1, city: 'Gent' }),
  })

/** Probes come once a second. */
const within = { timeout: 15_000, interval: 50 }

const eventuallyServedBy = (path: string, server: string) =>
  vi.waitFor(async () => {
    const reply = await fetch(`${url}${path}`)
    expect(reply.status).toBe(200)
    expect(reply.headers.get('X-Served-By')).toBe(server)
  }, within)

const eventuallyReady = (status: number) =>
  vi.waitFor(async () => expect((await fetch(`${url}/health/ready`)).status).toBe(status), within)

test('the primary crashes: reads go on by the replica, writes are refused; it comes back: all is as before', async () => {
  await eventuallyReady(200)
  const made = await make()
  const path = made.headers.get('Location') ?? ''
  await eventuallyServedBy(path, 'replica')

  await cluster.primary.kill()
  // From the first request on, not only once a probe has noticed.
  expect((await fetch(`${url}${path}`)).status).toBe(200)
  expect((await make()).status).toBe(503)
  await eventuallyReady(503)
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  await eventuallyServedBy(path, 'replica')

  await cluster.primary.start()
  await eventuallyReady(200)
  expect((await make()).status).toBe(201)
  await eventuallyServedBy(path, 'replica')
})

test('the replica crashes: it stays ready, and reads go on by the primary; it comes back: reads return to it', async () => {
  const path = (await make()).headers.get('Location') ?? ''
  await eventuallyServedBy(path, 'replica')

  await cluster.replica.kill()
  const reply = await fetch(`${url}${path}`)
  expect([reply.status, reply.headers.get('X-Served-By')]).toEqual([200, 'primary'])
  expect((await fetch(`${url}/health/ready`)).status).toBe(200)
  expect((await make()).status).toBe(201)

  await cluster.replica.start()
  await eventuallyServedBy(path, 'replica')
})
