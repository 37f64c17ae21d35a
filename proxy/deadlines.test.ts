import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '#shared/testing/eventually.ts'
import { ask } from './testing/challenge-client.ts'
import { TestPolicies } from './testing/policies.ts'
import { rawClient } from './testing/raw-client.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from './testing/start-upstream.ts'

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

/** Far beyond what any test takes: whatever ends one, it is not this. */
const NEVER = 600_000

const ENVIRONMENT = {
  UPSTREAM_CONNECT_TIMEOUT_MS: String(NEVER),
  UPSTREAM_HEADERS_TIMEOUT_MS: String(NEVER),
  UPSTREAM_IDLE_TIMEOUT_MS: String(NEVER),
  UPSTREAM_QUEUE_TIMEOUT_MS: String(NEVER),
  CLIENT_IDLE_TIMEOUT_MS: String(NEVER),
}

type Operation = Readonly<Record<string, number>>

/** A proxy of whose operations `read` has these limits. */
const start = async (
  upstream: TestUpstream,
  read: Operation,
  more: {
    readonly environment?: Readonly<Record<string, string>>
    readonly policy?: object
    readonly url?: string
  } = {},
): Promise<TestProxy> => {
  opened.push(upstream)
  const policies = new TestPolicies({ operations: { read }, ...more.policy })
  const proxy = await startProxy(more.url ?? upstream.url, { ...ENVIRONMENT, ...more.environment }, policies)
  opened.push(proxy)
  return proxy
}

/** An app that takes connections and requests, and says nothing. */
const silent = () => startRawUpstream((socket) => socket.resume())

const ended = (proxy: TestProxy) => proxy.line(({ outcome }) => outcome === 'refused' || outcome === 'cut')

const GET = 'GET /page HTTP/1.1\r\nHost: a.example\r\n\r\n'

describe('the time for the head of the reply', () => {
  it('is the operation’s: 504 for an app that says nothing, whose connection is cut', async () => {
    const upstream = await silent()
    const proxy = await start(upstream, { headersTimeoutMs: 100 })
    const reply = await ask(proxy.origin)
    expect(reply).toMatchObject({ status: 504, body: { status: 504, title: 'Gateway Timeout' } })
    expect(await ended(proxy)).toMatchObject({ refusal: 'upstream-timeout' })
    await eventually('the app’s connection is gone', () => upstream.sockets.size === 0)
  })

  it('is the environment’s where the operation does not say', async () => {
    const upstream = await silent()
    const proxy = await start(upstream, {}, { environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '100' } })
    expect((await ask(proxy.origin)).status).toBe(504)
  })

  it('may be longer than the environment’s', async () => {
    const upstream = await startUpstream((_request, response) => setTimeout(() => response.end('late'), 400))
    const proxy = await start(
      upstream,
      { headersTimeoutMs: NEVER },
      { environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '50' } },
    )
    expect(await ask(proxy.origin)).toMatchObject({ status: 200, text: 'late' })
  })

  it('is that of the route’s operation, and of the method’s where the route names none', async () => {
    const upstream = await startUpstream((request, response) => {
      if (request.url === '/report') setTimeout(() => response.end('late'), 400)
    })
    const operations = {
      read: { headersTimeoutMs: 100 },
      write: { headersTimeoutMs: 110 },
      report: { headersTimeoutMs: NEVER },
    }
    const routes = { report: { match: { path: '/report' }, operation: 'report' }, page: { match: { path: '/page' } } }
    const proxy = await start(upstream, {}, { policy: { operations, routes } })
    const status = async (path: string, method = 'GET') => (await ask(`${proxy.origin}${path}`, { method })).status
    const seen = [status('/report'), status('/page'), status('/nowhere'), status('/page', 'POST')]
    expect(await Promise.all(seen)).toEqual([200, 504, 504, 504])
  })
})

describe('the time to connect', () => {
  it('is the operation’s: 504 from an app that leaves the handshake unanswered', async () => {
    const upstream = await silent()
    const proxy = await start(upstream, { connectTimeoutMs: 100 }, { url: `https://127.0.0.1:${upstream.port}` })
    expect((await ask(proxy.origin)).status).toBe(504)
    expect(await ended(proxy)).toMatchObject({ reason: 'waited in vain for a connection' })
  })

  it('ends the request whose it is, and not one that may wait longer', async () => {
    const upstream = await silent()
    const operations = { read: { connectTimeoutMs: NEVER }, write: { connectTimeoutMs: 100 } }
    const url = `https://127.0.0.1:${upstream.port}`
    const proxy = await start(upstream, {}, { url, policy: { operations } })
    const patient = await rawClient(proxy.port)
    patient.send(GET)
    await eventually('the first has a connection being opened for it', () => upstream.sockets.size === 1)
    expect((await ask(proxy.origin, { method: 'DELETE' })).status).toBe(504)
    expect(patient.received()).toBe('')
    patient.socket.destroy()
  })
})

describe('the time between two pieces of a reply', () => {
  it('is the operation’s: a reply that stalls is cut', async () => {
    const upstream = await startRawUpstream((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'))
    })
    const proxy = await start(upstream, { idleTimeoutMs: 100 })
    const client = await rawClient(proxy.port)
    client.send(GET)
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nab$/s)
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', refusal: 'upstream-timeout' })
  })

  it('is that of an upgraded connection: a still one is cut on both sides, and one with traffic is not', async () => {
    const closed: number[] = []
    const upstream = await startUpstream(
      () => undefined,
      (server: Server) => {
        new WebSocketServer({ server: server as never }).on('connection', (socket) => {
          socket.on('message', (data) => socket.send(data))
          socket.on('close', (code) => closed.push(code))
        })
      },
    )
    const proxy = await start(upstream, { idleTimeoutMs: 500, totalTimeoutMs: 600 })
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    socket.on('error', () => undefined)
    await once(socket, 'open')
    const beganAtMs = performance.now()
    while (performance.now() - beganAtMs < 1_200) {
      socket.send('still here')
      await once(socket, 'message')
      await delay(5)
    }
    expect(closed).toEqual([])
    await once(socket, 'close')
    await eventually('the app’s side is closed', () => closed.length === 1)
  })
})

describe('the time for all of an exchange', () => {
  it('ends what the app does not answer: 504, and its connection is cut', async () => {
    const upstream = await silent()
    const proxy = await start(upstream, { totalTimeoutMs: 150 })
    const reply = await ask(proxy.origin)
    expect(reply).toMatchObject({ status: 504, headers: { 'content-type': 'application/problem+json' } })
    const line = await ended(proxy)
    expect(line).toMatchObject({ refusal: 'deadline', level: 'error', reason: expect.stringContaining('"read"') })
    expect(line.durationMs).toBeGreaterThanOrEqual(150)
    await eventually('the app’s connection is gone', () => upstream.sockets.size === 0)
  })

  it('cuts a reply that has begun, however steadily it comes', async () => {
    const upstream = await startUpstream((_request, response) => {
      const timer = setInterval(() => response.write('more'), 20)
      response.once('close', () => clearInterval(timer))
    })
    const proxy = await start(upstream, { totalTimeoutMs: 300 })
    const client = await rawClient(proxy.port)
    client.send(GET)
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', status: 200, refusal: 'deadline' })
    await eventually('the app’s connection is gone', () => upstream.sockets.size === 0)
  })

  it('does not end events, which go on as long as they come', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
      let sent = 0
      const timer = setInterval(() => (++sent > 30 ? response.end() : response.write(`data: ${sent}\n\n`)), 20)
      response.once('close', () => clearInterval(timer))
    })
    const proxy = await start(upstream, { totalTimeoutMs: 200, slowMs: 250 })
    const { status, text } = await ask(proxy.origin)
    expect({ status, end: text.slice(-10) }).toEqual({ status: 200, end: 'data: 30\n\n' })
    await proxy.line(({ outcome }) => outcome === 'replied')
    expect(proxy.lines.filter(({ msg }) => msg === 'slow exchange')).toEqual([])
  })

  it('counts the wait for a connection', async () => {
    const upstream = await silent()
    const operations = { read: { totalTimeoutMs: 150 }, write: {} }
    const proxy = await start(
      upstream,
      {},
      { policy: { operations }, environment: { UPSTREAM_CONNECTIONS_LIMIT: '1' } },
    )
    const taking = await rawClient(proxy.port)
    taking.send('DELETE / HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await eventually(
      'the only connection is taken',
      () => upstream.sockets.size === 1 && proxy.upstream.pool.queued === 0,
    )
    expect((await ask(proxy.origin)).status).toBe(504)
    expect(proxy.upstream.pool.queued).toBe(0)
    expect(upstream.connections()).toBe(1)
    taking.socket.destroy()
  })

  it('begins at the first byte of the request, of each anew', async () => {
    const upstream = await startUpstream((request, response) => {
      response.end(String(request.headers['x-request-deadline-ms']))
    })
    const proxy = await start(upstream, { totalTimeoutMs: NEVER })
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\n')
    await delay(200)
    client.send('Host: a.example\r\n\r\n')
    const told = async (count: number) => {
      await eventually('it is answered', () => client.received().split(/\r\n\r\n\d+/).length === count + 1)
      return Number(/\r\n\r\n(\d+)$/.exec(client.received())?.[1])
    }
    const first = await told(1)
    expect(first).toBeLessThanOrEqual(NEVER - 200)
    await delay(1_500)
    client.send(GET)
    expect(await told(2)).toBeGreaterThan(first - 1_500)
    client.socket.destroy()
  })

  it('is the client’s to keep while it sends: a body that comes too slowly is a 408', async () => {
    const upstream = await startUpstream((request) => request.resume())
    const operations = { write: { totalTimeoutMs: 200 } }
    const proxy = await start(upstream, {}, { policy: { operations } })
    const client = await rawClient(proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\n')
    const sending = setInterval(() => client.send('x'), 20)
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 408 /)
    clearInterval(sending)
    client.socket.destroy()
    expect(await ended(proxy)).toMatchObject({ refusal: 'request-timeout', level: 'info' })
    await eventually('the app’s connection is gone', () => upstream.sockets.size === 0)
  })

  it('ends with the reply: the next on the connection has its own', async () => {
    const upstream = await startUpstream((_request, response) => response.end('ok'))
    const proxy = await start(upstream, { totalTimeoutMs: 400 })
    const client = await rawClient(proxy.port)
    for (let asked = 1; asked <= 20; asked++) {
      client.send(GET)
      await eventually('it is answered', () => client.received().split('HTTP/1.1 200').length === asked + 1)
      await delay(30)
    }
    client.socket.destroy()
  })

  // Small enough for the proxy to have the whole of it in hand, its end too.
  const bulky = () => startUpstream((_request, response) => response.end(Buffer.alloc(60_000, 'x')))
  // As many as it takes to fill the system's buffers, so that one of them stays in the proxy's.
  const MANY = 400

  it('cuts an ended reply whose last bytes the client does not take', async () => {
    const proxy = await start(await bulky(), { totalTimeoutMs: 400 })
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send(GET.repeat(MANY))
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', status: 200, refusal: 'deadline' })
    client.socket.resume()
    await client.closed()
  })

  it('that is over cuts nothing of a later one on the same connection', async () => {
    const operations = { read: {}, quick: { totalTimeoutMs: 300 } }
    const routes = { quick: { match: { path: '/quick' }, operation: 'quick' } }
    const proxy = await start(await bulky(), {}, { policy: { operations, routes } })
    const client = await rawClient(proxy.port)
    client.send('GET /quick HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await proxy.line(({ outcome }) => outcome === 'replied')
    client.socket.pause()
    client.send(GET.repeat(MANY))
    await delay(600)
    client.socket.resume()
    await eventually('all are answered', () => proxy.lines.length === MANY + 1)
    expect(new Set(proxy.lines.map(({ outcome }) => outcome))).toEqual(new Set(['replied']))
    client.socket.destroy()
  })
})

describe('what the app is told of the time left', () => {
  const telling = () =>
    startUpstream((request, response) => {
      const told = request.rawHeaders.filter((_, at) =>
        /^x-request-deadline-ms$/i.test(request.rawHeaders[at - 1] ?? ''),
      )
      response.end(JSON.stringify(told))
    })
  const trusting = { trustedProxies: { ranges: ['127.0.0.0/8'] } }
  const told = async (proxy: TestProxy, said?: string | string[]): Promise<number[]> => {
    const { text } = await ask(proxy.origin, said === undefined ? {} : { headers: { 'X-Request-Deadline-Ms': said } })
    return (JSON.parse(text) as string[]).map(Number)
  }

  it('is the operation’s, less what has passed', async () => {
    const proxy = await start(await telling(), { totalTimeoutMs: 60_000 })
    const [left] = (await told(proxy)) as [number]
    expect(left).toBeLessThanOrEqual(60_000)
    expect(left).toBeGreaterThan(0)
  })

  it('is nothing where nothing limits the whole', async () => {
    const proxy = await start(await telling(), {}, { policy: trusting })
    expect(await told(proxy)).toEqual([])
  })

  it('is a trusted caller’s, where that is less, with or without one of the operation', async () => {
    for (const read of [{ totalTimeoutMs: 60_000 }, {}] as Operation[]) {
      const proxy = await start(await telling(), read, { policy: trusting })
      const [left] = (await told(proxy, '30000')) as [number]
      expect(left).toBeLessThanOrEqual(30_000)
      expect(left).toBeGreaterThan(10_000)
    }
  })

  it('is not more than the operation’s, whatever a trusted caller says', async () => {
    const proxy = await start(await telling(), { totalTimeoutMs: 60_000 }, { policy: trusting })
    const [left] = (await told(proxy, '999999999')) as [number]
    expect(left).toBeLessThanOrEqual(60_000)
  })

  it.each([[''], ['soon'], ['5s'], ['1.5'], ['1e3'], ['0x10'], ['9999999999999'], [['30000', '20000']]])(
    'is the operation’s where a trusted caller says %j, of which nothing goes on',
    async (said) => {
      const proxy = await start(await telling(), { totalTimeoutMs: 60_000 }, { policy: trusting })
      const lefts = await told(proxy, said)
      expect(lefts).toHaveLength(1)
      expect(lefts[0]).toBeGreaterThan(30_000)
    },
  )

  it('is not changed by a peer that is not trusted', async () => {
    const others = { trustedProxies: { ranges: ['10.0.0.0/8'] } }
    for (const policy of [{}, others]) {
      expect(await told(await start(await telling(), {}, { policy }), '5')).toEqual([])
      const [left] = (await told(await start(await telling(), { totalTimeoutMs: 60_000 }, { policy }), '0')) as [number]
      expect(left).toBeGreaterThan(30_000)
    }
  })

  it.each(['0', '-1', '-5000'])(
    'a trusted caller that has %s left gets 504, and the app is not asked',
    async (said) => {
      const upstream = await telling()
      const proxy = await start(upstream, {}, { policy: trusting })
      const reply = await ask(proxy.origin, { headers: { 'X-Request-Deadline-Ms': said } })
      expect(reply.status).toBe(504)
      expect(await ended(proxy)).toMatchObject({ refusal: 'callers-deadline', level: 'info' })
      expect(upstream.connections()).toBe(0)
    },
  )

  it('a trusted caller’s deadline ends the exchange', async () => {
    const upstream = await silent()
    const proxy = await start(upstream, { totalTimeoutMs: NEVER }, { policy: trusting })
    const reply = await ask(proxy.origin, { headers: { 'X-Request-Deadline-Ms': '120' } })
    expect(reply.status).toBe(504)
    expect(await ended(proxy)).toMatchObject({ refusal: 'callers-deadline' })
    await eventually('the app’s connection is gone', () => upstream.sockets.size === 0)
  })
})

describe('the log of slow exchanges', () => {
  const slow = (proxy: TestProxy) => proxy.lines.filter(({ msg }) => msg === 'slow exchange')
  const over = (proxy: TestProxy, count = 1) =>
    eventually('they are over', () => proxy.lines.filter(({ outcome }) => outcome !== undefined).length === count)

  it('tells once of each where its time went, and who it was', async () => {
    const upstream = await startUpstream((_request, response) => {
      setTimeout(() => {
        response.write('a')
        setTimeout(() => response.end('b'), 300)
      }, 200)
    })
    const routes = { page: { match: { path: '/page' }, operation: 'report' } }
    const operations = { report: { slowMs: 100, totalTimeoutMs: NEVER } }
    const proxy = await start(upstream, {}, { policy: { routes, operations } })
    const headers = { 'X-Request-ID': 'the-slow-one' }
    await ask(`${proxy.origin}/page?secret=1`, { headers })
    await over(proxy)
    expect(slow(proxy)).toMatchObject([
      {
        level: 'warn',
        correlationId: 'the-slow-one',
        route: 'page',
        operation: 'report',
        method: 'GET',
        path: '/page',
        status: 200,
        upstream: upstream.url,
        instance: expect.stringMatching(/^proxy-/),
      },
    ])
    const { phasesMs, durationMs } = slow(proxy)[0] as unknown as {
      phasesMs: Record<string, number>
      durationMs: number
    }
    expect(Object.keys(phasesMs)).toEqual(['queue', 'connect', 'firstByte', 'body'])
    expect(phasesMs.firstByte).toBeGreaterThanOrEqual(190)
    expect(phasesMs.body).toBeGreaterThanOrEqual(290)
    const sum = Object.values(phasesMs).reduce((total, ms) => total + ms)
    expect(Math.abs(sum - durationMs)).toBeLessThanOrEqual(4) // each is rounded
  })

  it('tells the wait for a connection from the time that it took to open', async () => {
    const held: Socket[] = []
    const upstream = await startRawUpstream((socket) => socket.on('data', () => held.push(socket)))
    const proxy = await start(upstream, { slowMs: 100 }, { environment: { UPSTREAM_CONNECTIONS_LIMIT: '1' } })
    const answer = (socket: Socket | undefined) => socket?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    const first = ask(`${proxy.origin}/first`)
    await eventually('the first is with the app', () => held.length === 1)
    const second = ask(`${proxy.origin}/second`)
    await eventually('the second waits', () => proxy.upstream.pool.queued === 1)
    await delay(200)
    answer(held[0])
    await eventually('the second is with the app', () => held.length === 2)
    answer(held[1])
    await Promise.all([first, second])
    await over(proxy, 2)
    const phases = slow(proxy).find(({ path }) => path === '/second')?.phasesMs as Record<string, number>
    expect(phases.queue).toBeGreaterThanOrEqual(190)
    expect(phases.connect).toBe(0)
  })

  it('tells the time in vain for a connection that does not open', async () => {
    const upstream = await silent()
    const url = `https://127.0.0.1:${upstream.port}`
    const proxy = await start(upstream, { connectTimeoutMs: 200, slowMs: 100 }, { url })
    await ask(proxy.origin)
    await over(proxy)
    expect(slow(proxy)).toMatchObject([{ status: 504, upstream: url }])
    const phases = slow(proxy)[0]?.phasesMs as Record<string, number>
    expect(phases.connect).toBeGreaterThanOrEqual(150)
    expect(phases).toMatchObject({ firstByte: 0, body: 0 })
  })

  it('has nothing of what is quick, of a stream whose head was, or where it is off', async () => {
    const upstream = await startUpstream((request, response) => {
      if (request.url === '/quick') response.end('ok')
      else if (request.url === '/late') setTimeout(() => response.end('ok'), 300)
      else {
        response.write('a')
        setTimeout(() => response.end('b'), 300)
      }
    })
    const operations = { read: { slowMs: 250 }, write: { slowMs: 0 } }
    const proxy = await start(upstream, {}, { policy: { operations } })
    await ask(`${proxy.origin}/stream`)
    await ask(`${proxy.origin}/late`, { method: 'DELETE' })
    await ask(`${proxy.origin}/late`)
    await over(proxy, 3)
    expect(slow(proxy).map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /late'])
  })
})
