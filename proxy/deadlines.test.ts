import { once } from 'node:events'
import type { Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '#shared/testing/eventually.ts'
import { ask } from './testing/challenge-client.ts'
import { rawClient } from './testing/raw-client.ts'
import { startRawUpstream, startUpstream } from './testing/start-upstream.ts'
import { ended, NEVER_MS, silent, startTimed } from './testing/timed-proxy.ts'

const GET = 'GET /page HTTP/1.1\r\nHost: a.example\r\n\r\n'

describe('the time for the head of the reply', () => {
  it('is the operation’s: 504 for an app that says nothing, whose connection is cut', async () => {
    const upstream = await silent()
    const proxy = await startTimed(upstream, { headersTimeoutMs: 100 })
    const reply = await ask(proxy.origin)
    expect(reply).toMatchObject({ status: 504, body: { status: 504, title: 'Gateway Timeout' } })
    expect(await ended(proxy)).toMatchObject({ refusal: 'upstream-timeout' })
    await eventually('the app’s connection is gone', () => upstream.sockets.size === 0)
  })

  it('is the environment’s where the operation does not say', async () => {
    const upstream = await silent()
    const proxy = await startTimed(upstream, {}, { environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '100' } })
    expect((await ask(proxy.origin)).status).toBe(504)
  })

  it('may be longer than the environment’s', async () => {
    const upstream = await startUpstream((_request, response) => setTimeout(() => response.end('late'), 400))
    const proxy = await startTimed(
      upstream,
      { headersTimeoutMs: NEVER_MS },
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
      report: { headersTimeoutMs: NEVER_MS },
    }
    const routes = { report: { match: { path: '/report' }, operation: 'report' }, page: { match: { path: '/page' } } }
    const proxy = await startTimed(upstream, {}, { policy: { operations, routes } })
    const status = async (path: string, method = 'GET') => (await ask(`${proxy.origin}${path}`, { method })).status
    const seen = [status('/report'), status('/page'), status('/nowhere'), status('/page', 'POST')]
    expect(await Promise.all(seen)).toEqual([200, 504, 504, 504])
  })
})

describe('the time to connect', () => {
  it('is the operation’s: 504 from an app that leaves the handshake unanswered', async () => {
    const upstream = await silent()
    const proxy = await startTimed(upstream, { connectTimeoutMs: 100 }, { url: `https://127.0.0.1:${upstream.port}` })
    expect((await ask(proxy.origin)).status).toBe(504)
    expect(await ended(proxy)).toMatchObject({ reason: 'waited in vain for a connection' })
  })

  it('ends the request whose it is, and not one that may wait longer', async () => {
    const upstream = await silent()
    const operations = { read: { connectTimeoutMs: NEVER_MS }, write: { connectTimeoutMs: 100 } }
    const url = `https://127.0.0.1:${upstream.port}`
    const proxy = await startTimed(upstream, {}, { url, policy: { operations } })
    const patient = await rawClient(proxy.port)
    patient.send(GET)
    await eventually('the first has a connection being opened for it', () => upstream.sockets.size === 1)
    expect((await ask(proxy.origin, { method: 'DELETE' })).status).toBe(504)
    expect(patient.received()).toBe('')
    patient.socket.destroy()
  })

  it('is not that of another, who has left, and for whom a connection was being opened', async () => {
    const upstream = await silent()
    const operations = { read: { connectTimeoutMs: NEVER_MS }, write: { connectTimeoutMs: 400 } }
    const url = `https://127.0.0.1:${upstream.port}`
    const proxy = await startTimed(upstream, {}, { url, policy: { operations } })
    const impatient = await rawClient(proxy.port)
    impatient.send('DELETE / HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await eventually('a connection is being opened for it', () => upstream.sockets.size === 1)
    impatient.socket.destroy()
    await eventually('it has left', () => proxy.upstream.pool.queued === 0)
    const patient = await rawClient(proxy.port)
    patient.send(GET)
    await eventually('the other waits for it', () => proxy.upstream.pool.queued === 1)
    // One of as little time, which begins later.
    expect((await ask(proxy.origin, { method: 'DELETE' })).status).toBe(504)
    expect(patient.received()).toBe('')
    await eventually('its connection is still being opened', () => upstream.sockets.size === 1)
    patient.socket.destroy()
  })
})

describe('the time between two pieces of a reply', () => {
  it('is the operation’s: a reply that stalls is cut', async () => {
    const upstream = await startRawUpstream((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'))
    })
    const proxy = await startTimed(upstream, { idleTimeoutMs: 100 })
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
    const proxy = await startTimed(upstream, { idleTimeoutMs: 500, totalTimeoutMs: 600 })
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

it('an upgraded connection whose pings wait to be read is not still, though the process was held up for longer', async () => {
  const upstream = await startRawUpstream((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      socket.on('data', (bytes) => socket.write(bytes))
    })
  })
  const proxy = await startTimed(upstream, { idleTimeoutMs: 300 })
  const client = await rawClient(proxy.port)
  client.send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await client.until('101 Switching')
  client.send('ping')
  const untilMs = performance.now() + 400
  while (performance.now() < untilMs);
  await client.until('ping')
  client.socket.destroy()
})

describe('the time for all of an exchange', () => {
  it('ends what the app does not answer: 504, and its connection is cut', async () => {
    const upstream = await silent()
    const proxy = await startTimed(upstream, { totalTimeoutMs: 150 })
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
    const proxy = await startTimed(upstream, { totalTimeoutMs: 300 })
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
    const proxy = await startTimed(upstream, { totalTimeoutMs: 200, slowMs: 250 })
    const { status, text } = await ask(proxy.origin)
    expect({ status, end: text.slice(-10) }).toEqual({ status: 200, end: 'data: 30\n\n' })
    await proxy.line(({ outcome }) => outcome === 'replied')
    expect(proxy.lines.filter(({ msg }) => msg === 'slow exchange')).toEqual([])
  })

  it('counts the wait for a connection', async () => {
    const upstream = await silent()
    const operations = { read: { totalTimeoutMs: 150 }, write: {} }
    const proxy = await startTimed(
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
    const proxy = await startTimed(upstream, { totalTimeoutMs: NEVER_MS })
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\n')
    await delay(200)
    client.send('Host: a.example\r\n\r\n')
    const told = async (count: number) => {
      await eventually('it is answered', () => client.received().split(/\r\n\r\n\d+/).length === count + 1)
      return Number(/\r\n\r\n(\d+)$/.exec(client.received())?.[1])
    }
    const first = await told(1)
    expect(first).toBeLessThanOrEqual(NEVER_MS - 150) // it was sent 200 ms before, and may have been read later
    await delay(1_500)
    client.send(GET)
    expect(await told(2)).toBeGreaterThan(first - 1_500)
    client.socket.destroy()
  })

  it('is the client’s to keep while it sends: a body that comes too slowly is a 408', async () => {
    const upstream = await startUpstream((request) => request.resume())
    const operations = { write: { totalTimeoutMs: 200 } }
    const proxy = await startTimed(upstream, {}, { policy: { operations } })
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
    const proxy = await startTimed(upstream, { totalTimeoutMs: 400 })
    const client = await rawClient(proxy.port)
    for (let asked = 1; asked <= 20; asked++) {
      client.send(GET)
      await eventually('it is answered', () => client.received().split('HTTP/1.1 200').length === asked + 1)
      await delay(30)
    }
    client.socket.destroy()
  })

  // Small enough for the proxy to have the whole of it in hand, its end too.
  const bulky = (bytes = 60_000) => startUpstream((_request, response) => response.end(Buffer.alloc(bytes, 'x')))
  // As many as it takes to fill the system's buffers, so that one of them stays in the proxy's.
  const MANY = 400

  it.each([
    [60_000, MANY],
    [7_000, 10 * MANY], // of which there is never more to come than what has been written at once
  ])('cuts an ended reply of %d bytes whose last bytes the client does not take', async (bytes, many) => {
    const proxy = await startTimed(await bulky(bytes), { totalTimeoutMs: 400 })
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send(GET.repeat(many))
    expect(await ended(proxy)).toMatchObject({ outcome: 'cut', status: 200, refusal: 'request-timeout' })
    client.socket.resume()
    await client.closed()
  })

  it('that is over cuts nothing of a later one on the same connection', async () => {
    const operations = { read: {}, quick: { totalTimeoutMs: 300 } }
    const routes = { quick: { match: { path: '/quick' }, operation: 'quick' } }
    const proxy = await startTimed(await bulky(), {}, { policy: { operations, routes } })
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
