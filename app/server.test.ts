import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from './testing/database.ts'
import { openTestLink, type TestLink } from './testing/link.ts'
import { startApp, type TestApp } from './testing/start-app.ts'

const PROBLEM_JSON = 'application/problem+json'
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

let database: TestDatabase
let link: TestLink
let app: TestApp

beforeAll(async () => {
  database = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'))
  link = await openTestLink(database.primaryUrl)
  app = await startApp({ primaryUrl: link.url, statementTimeoutMs: 1_000 })
})
afterEach(async () => {
  link.set('open')
  await app.dependency('database-primary', 'up')
})
afterAll(async () => {
  await app.close()
  await link.close()
  await database.drop()
})

/** One request over a socket of its own, byte for byte. */
const raw = async (bytes: string): Promise<string> => {
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1')
  socket.write(bytes)
  return text(socket)
}

/** The log lines of a request, of which there must be one; it is written once the reply's last byte has left. */
const onlyLine = (correlationId: string | null) =>
  vi.waitFor(() => {
    const lines = app.logged.filter((line) => line.correlationId === correlationId)
    expect(lines).toHaveLength(1)
    return lines[0]
  })

describe('the correlation ID', () => {
  test('that the proxy sends is on the reply and in the log line, and so is its trace', async () => {
    const reply = await fetch(`${app.url}/listings`, {
      headers: {
        'X-Request-ID': 'req-1.A_b',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    })
    expect(reply.headers.get('X-Request-ID')).toBe('req-1.A_b')
    expect(await onlyLine('req-1.A_b')).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      method: 'GET',
      path: '/listings',
      status: 200,
    })
  })

  test('is minted where none is sent', async () => {
    const reply = await fetch(`${app.url}/listings`)
    expect(reply.headers.get('X-Request-ID')).toMatch(UUID_V7)
    expect(await onlyLine(reply.headers.get('X-Request-ID'))).not.toHaveProperty('clientRequestId')
  })

  test('that cannot be kept is replaced, and stays in the log as what the client sent', async () => {
    const reply = await fetch(`${app.url}/listings`, { headers: { 'X-Request-ID': 'no blanks' } })
    const id = reply.headers.get('X-Request-ID')
    expect(id).toMatch(UUID_V7)
    expect(await onlyLine(id)).toMatchObject({ clientRequestId: 'no blanks' })
  })
})

describe('an error reply', () => {
  const json = { 'Content-Type': 'application/json' }
  const cases: [string, number, string, RequestInit][] = [
    ['for an unknown path', 404, '/nothing', {}],
    ['for a method that a path does not know', 405, '/listings', { method: 'PUT', headers: json, body: '{}' }],
    ['for JSON that is none', 400, '/listings', { method: 'POST', headers: json, body: '{"title":' }],
    ['for JSON that is empty', 400, '/listings', { method: 'POST', headers: json, body: '' }],
    ['for a poisoned prototype', 400, '/listings', { method: 'POST', headers: json, body: '{"__proto__":{"a":1}}' }],
    [
      'for another content type',
      415,
      '/listings',
      { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'x' },
    ],
    [
      'for a body that is too large',
      413,
      '/listings',
      { method: 'POST', headers: json, body: `"${'x'.repeat(70_000)}"` },
    ],
    ['for a path that cannot be decoded', 400, '/listings/%zz', {}],
    ['for an ID that is none', 400, '/listings/1', {}],
  ]
  test.each(cases)(
    '%s is a problem of status %i, logged once and without a stack',
    async (_name, status, path, request) => {
      const reply = await fetch(`${app.url}${path}`, request)
      const body = (await reply.json()) as { detail: string }
      const id = reply.headers.get('X-Request-ID')
      expect(reply.status).toBe(status)
      expect(reply.headers.get('Content-Type')).toBe(PROBLEM_JSON)
      expect(body).toMatchObject({ type: 'about:blank', status, correlationId: id })
      const line = await onlyLine(id)
      expect(line).toMatchObject({ level: 'info', status, refusal: body.detail })
      expect(line).not.toHaveProperty('err')
    },
  )

  test('for a method names those that are known', async () => {
    const allowOf = async (path: string, method: string) =>
      (await fetch(`${app.url}${path}`, { method })).headers.get('Allow')
    expect(await allowOf('/listings', 'DELETE')).toBe('GET, HEAD, POST')
    expect(await allowOf('/listings/1', 'POST')).toBe('GET, HEAD, PATCH, DELETE')
    expect(await allowOf('/health/live', 'POST')).toBe('GET, HEAD')
  })

  test.each([
    ['a request that is no HTTP', 'nonsense\r\n\r\n', 400],
    ['a header block that is too large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('for %s is a problem too, and the connection is closed', async (_name, bytes, status) => {
    const [head = '', body = ''] = (await raw(bytes)).split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toContain(`Content-Type: ${PROBLEM_JSON}`)
    expect(JSON.parse(body)).toMatchObject({ status, correlationId: expect.stringMatching(UUID_V7) })
  })

  test('for a database that is gone is 503 with Retry-After; only the log tells why', async () => {
    link.set('cut')
    await app.dependency('database-primary', 'down')
    for (const request of [
      new Request(`${app.url}/listings`),
      new Request(`${app.url}/listings`, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ title: 'One', category: 'books', priceCents: 1, city: 'Gent' }),
      }),
    ]) {
      const reply = await fetch(request)
      const body = await reply.text()
      expect(reply.status).toBe(503)
      expect(reply.headers.get('Retry-After')).toMatch(/^\d+$/)
      expect(reply.headers.get('Content-Type')).toBe(PROBLEM_JSON)
      expect(body).not.toMatch(/prisma|postgres|127\.0\.0\.1|ECONN|terminated/i)
      expect(await onlyLine(reply.headers.get('X-Request-ID'))).toMatchObject({
        level: 'error',
        status: 503,
        err: { type: 'DatabaseUnavailable' },
      })
    }
    link.set('open')
    await app.dependency('database-primary', 'up')
    expect((await fetch(`${app.url}/listings`)).status).toBe(200)
  })
})

describe('health and metrics', () => {
  test('live and ready answer to whoever asks directly', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      const reply = await fetch(`${app.url}${path}`)
      expect(reply.status).toBe(200)
      expect(reply.headers.get('Cache-Control')).toBe('no-store')
    }
  })

  test('health lists the dependencies with their latency', async () => {
    const reply = await fetch(`${app.url}/health`)
    expect(await reply.json()).toMatchObject({
      status: 'ok',
      dependencies: [{ name: 'database-primary', required: true, status: 'up', latencyMs: expect.any(Number) }],
    })
  })

  test('metrics carry the instance, and count what each server answered', async () => {
    await fetch(`${app.url}/listings`)
    const metrics = await (await fetch(`${app.url}/metrics`)).text()
    expect(metrics).toMatch(/^process_cpu_seconds_total\{instance_id="app-.+",process="app"\} /m)
    expect(metrics).toMatch(/^sidegate_app_database_calls_total\{.*served_by="primary".*outcome="answered".*\} [1-9]/m)
    expect(metrics).toMatch(/^sidegate_app_request_duration_seconds_count\{.*route="\/listings",status="200"\} [1-9]/m)
  })

  test('what shows the inside does not exist for a request that came through the edge', async () => {
    const answers = await Promise.all(
      ['/nothing', '/health', '/health/live', '/health/ready', '/metrics'].map(async (path) => {
        const reply = await fetch(`${app.url}${path}`, {
          headers: { 'X-Forwarded-For': '203.0.113.9', 'X-Request-ID': 'same' },
        })
        return [reply.status, await reply.text()]
      }),
    )
    const [nothing, ...hidden] = answers
    expect(nothing?.[0]).toBe(404)
    for (const answer of hidden) expect(answer).toEqual(nothing)
  })
})

test('the OpenAPI document describes each route of the API, and none of operations', async () => {
  const document = (await (await fetch(`${app.url}/openapi.json`)).json()) as { paths: Record<string, object> }
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(new Set(operations)).toEqual(
    new Set(['get /listings', 'post /listings', 'get /listings/{id}', 'patch /listings/{id}', 'delete /listings/{id}']),
  )
})

test('a client that goes away before its reply is logged as such, and is no error', async () => {
  link.set('frozen')
  const away = new AbortController()
  const request = fetch(`${app.url}/listings`, { headers: { 'X-Request-ID': 'gone' }, signal: away.signal })
  await vi.waitFor(() => expect(app.health.report().body.status).toBe('unavailable'))
  away.abort()
  await expect(request).rejects.toThrow()
  expect(await onlyLine('gone')).toMatchObject({ level: 'info', status: 499 })
})
