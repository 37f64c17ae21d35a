import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import type { Outcome } from './outcome.ts'
import { ask } from './testing/challenge-client.ts'
import { TestPolicies } from './testing/policies.ts'
import { type RawClient, rawClient } from './testing/raw-client.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from './testing/start-upstream.ts'
import { ended, NEVER_MS, silent, startTimed, type TestOperation } from './testing/timed-proxy.ts'
import { unsharedState } from './testing/unshared-state.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'
const TOTAL_MS = 600
/** More than half of it. */
const MOST_MS = 400
const trustedProxies = { ranges: ['127.0.0.0/8'] }
/** One failure is one too many. */
const breaker = { consecutiveFailures: 1 }

const started = (
  upstream: TestUpstream,
  operation: TestOperation,
  environment: Readonly<Record<string, string>> = {},
): Promise<TestProxy> =>
  startTimed(
    upstream,
    {},
    {
      policy: { operations: { read: operation, write: operation }, breaker, trustedProxies },
      environment,
    },
  )

/** What has been counted of the app, as the circuits have it. */
const counted = (proxy: TestProxy) =>
  proxy.circuits.reports().map(({ state, failures, failuresInARow }) => [state, failures, failuresInARow])
const NOTHING = Array(2).fill(['closed', 0, 0])

const over = (proxy: TestProxy, count: number) =>
  eventually('they are over', () => proxy.lines.filter(({ outcome }) => outcome !== undefined).length === count)

const shut = (client: RawClient): void => void client.socket.destroy()

describe('a client that is slow', () => {
  it('to read is late itself, where the reply is not over by the total', async () => {
    const upstream = await startUpstream((_request, response) => void response.end(Buffer.alloc(30_000_000, 'x')))
    const proxy = await started(upstream, { totalTimeoutMs: TOTAL_MS })
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send(GET)
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', refusal: 'request-timeout', level: 'info' })
    expect(counted(proxy)).toEqual(NOTHING)
    shut(client)
  })

  it.each([
    ['the end of its head', 'GET / HTTP/1.1\r\nHost: a\r\n', '\r\n'],
    ['the end of its body', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx', 'y'],
    [
      'what the app has asked for',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n',
      'y',
    ],
  ])('to send %s is late itself, where the app had little time for it', async (_what, beginning, end) => {
    const upstream = await silent()
    const proxy = await started(upstream, { totalTimeoutMs: TOTAL_MS })
    const client = await rawClient(proxy.port)
    client.send(beginning)
    await delay(MOST_MS)
    client.send(end)
    expect(await client.until(/HTTP\/1\.1 4.*\r\n\r\n/s)).toMatch(/HTTP\/1\.1 408 /)
    expect(await ended(proxy)).toMatchObject({ refusal: 'request-timeout', level: 'info' })
    expect(counted(proxy)).toEqual(NOTHING)
    shut(client)
  })

  it('does not hide that the app hangs, where that had most of the time', async () => {
    const proxy = await started(await silent(), { totalTimeoutMs: 3_000 })
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\n')
    await delay(50)
    client.send('\r\n')
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 504 /)
    expect(await ended(proxy)).toMatchObject({ refusal: 'deadline', level: 'error' })
    expect(proxy.circuits.reports()[0]?.state).toBe('open')
    shut(client)
  })

  it('for a while is not to blame for an app that says no more once it reads again', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Length': 40_000_000 }).write(Buffer.alloc(30_000_000, 'x'))
    })
    const proxy = await started(upstream, { totalTimeoutMs: 3_000 })
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send(GET)
    await delay(100)
    client.socket.resume()
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', refusal: 'deadline' })
    expect(proxy.circuits.reports()[0]?.state).toBe('open')
    shut(client)
  })

  it('is not to blame for an app that does not take what it sends', async () => {
    const upstream = await startRawUpstream((socket) => void socket.pause())
    const proxy = await started(upstream, { totalTimeoutMs: TOTAL_MS })
    const client = await rawClient(proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n')
    client.send(Buffer.alloc(30_000_000, 'x'))
    expect(await ended(proxy)).toMatchObject({ refusal: 'deadline' })
    expect(proxy.circuits.reports()[1]?.state).toBe('open')
    shut(client)
  })

  it('to send the rest of what the app answers early is not waited for by the app’s limits', async () => {
    const upstream = await startUpstream((request, response) => {
      response.writeHead(200)
      request.on('data', () => response.write('some'))
      request.on('end', () => response.end('all'))
    })
    const proxy = await started(upstream, { idleTimeoutMs: 100 })
    const client = await rawClient(proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx')
    await client.until('some')
    await delay(400)
    client.send('y')
    await client.until('all')
    expect(counted(proxy)).toEqual(NOTHING)
    shut(client)
  })

  it('to send is not mixed up with an app that answers early and does not take the rest', async () => {
    const upstream = await startRawUpstream((socket) => {
      socket.once('data', () => {
        socket.pause()
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome')
      })
    })
    const proxy = await started(upstream, { idleTimeoutMs: 100 })
    const client = await rawClient(proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000001\r\n\r\nx')
    await client.until('some')
    client.send(Buffer.alloc(30_000_000, 'x'))
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', refusal: 'upstream-timeout' })
    shut(client)
  })

  it('to send is waited for again once the app has taken what it had left for a while', async () => {
    let readBytes = 0
    const upstream = await startRawUpstream((socket) => {
      socket.once('data', () => {
        socket.pause()
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsome')
        setTimeout(() => socket.resume(), 100)
        socket.on('data', (bytes) => {
          readBytes += bytes.length
          if (String(bytes).endsWith('y')) socket.write('all')
        })
      })
    })
    const proxy = await started(upstream, { idleTimeoutMs: 600 })
    const client = await rawClient(proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000002\r\n\r\nx')
    await client.until('some')
    client.send(Buffer.alloc(30_000_000, 'x'))
    await eventually('the app has read what there is', () => readBytes >= 30_000_000)
    await delay(1_200)
    client.send('y')
    await client.until('someall')
    shut(client)
  })

  it('but has sent all hears of an app that answers early and then says no more', async () => {
    const upstream = await startUpstream((request, response) => {
      request.resume()
      response.writeHead(200)
      response.write('some')
    })
    const proxy = await started(upstream, { idleTimeoutMs: 100 })
    const client = await rawClient(proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx')
    await client.until('some')
    client.send('y')
    await client.closed()
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', refusal: 'upstream-timeout' })
    expect(proxy.circuits.reports()[1]?.state).toBe('open')
  })
})

describe('an app that has had the time', () => {
  it('is late where it does not take the connection', async () => {
    const upstream = await silent()
    const proxy = await startTimed(upstream, { totalTimeoutMs: 200 }, { url: `https://127.0.0.1:${upstream.port}` })
    expect((await ask(proxy.origin)).status).toBe(504)
    expect(await ended(proxy)).toMatchObject({ refusal: 'deadline' })
  })

  it('is late on a connection that has been used before, too', async () => {
    let asked = 0
    const upstream = await startUpstream((_request, response) => void (asked++ === 0 && response.end('ok')))
    const proxy = await started(upstream, { totalTimeoutMs: 500 })
    expect([(await ask(proxy.origin)).status, (await ask(proxy.origin)).status]).toEqual([200, 504])
    expect(await ended(proxy)).toMatchObject({ refusal: 'deadline' })
    expect(upstream.connections()).toBe(1)
  })
})

describe('our own queue', () => {
  it('is late where the total passes in it, and the app has not been asked', async () => {
    let reads = 0
    const upstream = await startUpstream((request) => {
      if (request.method === 'GET') reads++
      request.resume()
    })
    const operations = { read: { totalTimeoutMs: 200 }, write: {} }
    const proxy = await startTimed(
      upstream,
      {},
      {
        policy: { operations, breaker },
        environment: { UPSTREAM_CONNECTIONS_LIMIT: '1' },
      },
    )
    const taking = await rawClient(proxy.port)
    taking.send('DELETE / HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await eventually('the only connection is taken', () => upstream.connections() === 1)
    expect((await ask(proxy.origin)).status).toBe(504)
    expect(await ended(proxy)).toMatchObject({ refusal: 'queue-deadline', level: 'warn' })
    expect([counted(proxy), reads]).toEqual([NOTHING, 0])
    shut(taking)
  })
})

/** Whom signals of an emergency are told of. */
const listening = () => {
  const outcomes: Outcome[] = []
  return { outcomes, emergencySignals: { count: (outcome: Outcome) => void outcomes.push(outcome) } }
}

describe('an app that answers 504 itself', () => {
  const late = (_request: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(504).end('in vain')

  it('by a caller’s deadline has not failed, nor does that tell of an emergency, or against the policy', async () => {
    const upstream = await startUpstream(late)
    const { outcomes, emergencySignals } = listening()
    const { burn } = unsharedState()
    const policies = new TestPolicies({ breaker, trustedProxies })
    const burnt = () => burn.of(policies.active.version, 0).requests
    const proxy = await startProxy(upstream.url, {}, policies, { emergencySignals, burn })
    const reply = await ask(proxy.origin, { headers: { 'X-Request-Deadline-Ms': '5000' } })
    expect([reply.status, reply.text]).toEqual([504, 'in vain'])
    await over(proxy, 1)
    expect([counted(proxy), outcomes, burnt()]).toEqual([NOTHING, [], 0])
    expect((await ask(proxy.origin)).status).toBe(504) // of nobody's deadline, then
    expect(proxy.circuits.reports()[0]?.state).toBe('open')
    expect([outcomes.length, burnt()]).toEqual([1, 1])
    await proxy.close()
    await upstream.close()
  })

  it('has not failed where its client took most of the time', async () => {
    const proxy = await started(await startUpstream(late), { totalTimeoutMs: 2_000 })
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\n')
    await delay(1_100)
    client.send('\r\n')
    await client.until(/HTTP\/1\.1 \d/)
    await over(proxy, 1)
    expect(counted(proxy)).toEqual(NOTHING)
    shut(client)
  })

  it('has failed where there was time enough, whatever a caller says', async () => {
    const proxy = await started(await startUpstream(late), { totalTimeoutMs: NEVER_MS })
    await ask(proxy.origin, { headers: { 'X-Request-Deadline-Ms': String(NEVER_MS - 60_000) } })
    expect(proxy.circuits.reports()[0]?.state).toBe('open')
  })
})

describe('what is kept of an address', () => {
  const routes = {
    page: { match: { path: '/page' }, cache: { visibility: 'public', maxAgeSeconds: 60 }, stale: { keepSeconds: 600 } },
  }
  const page = (_request: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(200, { 'Cache-Control': 'public, max-age=60' }).end('the page')

  it('is not for a client that was slow, and keeps nobody else from the app', async () => {
    const app = { answer: page }
    const upstream = await startUpstream((request, response) => app.answer(request, response))
    const operations = { read: { totalTimeoutMs: TOTAL_MS } }
    const proxy = await startTimed(upstream, {}, { policy: { operations, routes, trustedProxies } })
    const url = `${proxy.origin}/page`
    await ask(url)
    await over(proxy, 1)
    const client = await rawClient(proxy.port)
    client.send(`GET /page HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n`)
    await delay(TOTAL_MS + 50)
    client.send('\r\n')
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 408 /)
    shut(client)
    const statusOf = async (headers: Record<string, string> = {}) => {
      const reply = await ask(url, { headers })
      return [reply.status, reply.headers['cache-status']]
    }
    app.answer = () => undefined
    expect(await statusOf({ 'X-Request-Deadline-Ms': '50' })).toEqual([200, expect.stringContaining('detail=timeout')])
    app.answer = (_request, response) => void response.writeHead(504).end()
    expect(await statusOf({ 'X-Request-Deadline-Ms': '50' })).toEqual([200, expect.stringContaining('detail=timeout')])
    app.answer = page
    const both = await Promise.all([statusOf(), statusOf()])
    expect(both).toEqual([
      [200, undefined],
      [200, undefined],
    ])
  })
})

describe('streams', () => {
  it('that are still for too long are cut, and the app has not failed', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
    })
    const proxy = await started(upstream, { idleTimeoutMs: 100, slowMs: 50 })
    const clients = await Promise.all(Array.from({ length: 5 }, () => rawClient(proxy.port)))
    for (const client of clients) client.send(GET)
    await Promise.all(clients.map((client) => client.closed()))
    await over(proxy, 5)
    expect(new Set(proxy.lines.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal])))).toEqual(
      new Set(['upstream-timeout']),
    )
    expect(counted(proxy)).toEqual(NOTHING)
  })
})
