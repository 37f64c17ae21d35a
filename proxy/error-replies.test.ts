import type { Socket } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { compose } from './compose.ts'
import { type Layer, PASS } from './layer.ts'
import { accessLog } from './layers/access-log.ts'
import { edgeHeaders } from './layers/edge-headers.ts'
import { rescue } from './layers/rescue.ts'
import { TrafficCounts } from './layers/traffic.ts'
import { ProxyServer } from './server.ts'
import { rawClient } from './testing/raw-client.ts'
import { type RawReply, rawReplies, values } from './testing/raw-replies.ts'
import { type LogLine, startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from './testing/start-upstream.ts'
import { calm } from './testing/unshared-state.ts'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

const opening = async <T extends { close(): Promise<void> }>(resource: Promise<T>): Promise<T> => {
  opened.push(await resource)
  return resource
}

/** An app that answers each request with `bytes`, and then leaves its connection, ends it or resets it. */
const answering = (bytes: string, then: 'stay' | 'end' | 'reset' = 'stay'): Promise<TestUpstream> =>
  opening(
    startRawUpstream((socket: Socket) => {
      socket.on('data', () => {
        socket.write(Buffer.from(bytes, 'latin1'), () => {
          if (then === 'end') socket.end()
          if (then === 'reset') socket.resetAndDestroy()
        })
      })
    }),
  )

const REQUEST = 'GET /page HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: the-id\r\n\r\n'

/** Asks once; holds all that is promised of every error reply. */
const expectError = async (proxy: TestProxy, upstreamPort: number, status: number): Promise<[RawReply, LogLine]> => {
  const client = await rawClient(proxy.port)
  client.send(REQUEST)
  const received = await client.until(/\r\n\r\n.*\n$/s)
  client.socket.destroy()
  const replies = rawReplies(received)
  expect(replies.map((reply) => reply.status)).toEqual([status])
  const reply = replies[0] as RawReply
  expect(reply.isWhole).toBe(true)
  expect(values(reply, 'content-type')).toEqual(['application/problem+json'])
  expect(values(reply, 'cache-control')).toEqual(['no-store'])
  expect(values(reply, 'x-request-id')).toEqual(['the-id'])
  const problem = JSON.parse(reply.body)
  expect(Object.keys(problem)).toEqual(['type', 'title', 'status', 'detail', 'correlationId'])
  expect(problem).toMatchObject({ type: 'about:blank', status, correlationId: 'the-id' })
  expect(received).not.toMatch(/127\.0\.0\.1|localhost|undici|node:|ECONN|UND_ERR|HPE_|\bat \S+ \(|\.ts\b|the secret/i)
  if (upstreamPort !== 0) expect(received).not.toContain(String(upstreamPort))

  const line = await proxy.line(({ correlationId }) => correlationId === 'the-id')
  expect(proxy.lines).toEqual([line])
  expect(line).toMatchObject({ status, outcome: 'refused', path: '/page', method: 'GET' })
  return [reply, line]
}

const OK = 'HTTP/1.1 200 OK\r\n'

describe('an app that cannot be reached', () => {
  it('as its port refuses connections: 502', async () => {
    const gone = await startUpstream(() => undefined)
    await gone.close()
    const proxy = await opening(startProxy(gone.url))
    const [, line] = await expectError(proxy, gone.port, 502)
    expect(line).toMatchObject({ level: 'error', refusal: 'upstream-unreachable', err: { code: 'ECONNREFUSED' } })
  })

  it('as its socket is not there: 502', async () => {
    const proxy = await opening(startProxy('unix:/nowhere/the secret.sock'))
    const [, line] = await expectError(proxy, 0, 502)
    expect(line).toMatchObject({ refusal: 'upstream-unreachable', err: { code: 'ENOENT' } })
  })
})

describe('an app that does not finish the head of its reply', () => {
  it.each([
    ['closes at once', '', 'end'],
    ['resets at once', '', 'reset'],
    ['closes within the head', `${OK}Content-Le`, 'end'],
    ['resets within the head', `${OK}Content-Le`, 'reset'],
  ] as const)('but %s: 502', async (_what, bytes, then) => {
    const upstream = await answering(bytes, then)
    const proxy = await opening(startProxy(upstream.url))
    const [, line] = await expectError(proxy, upstream.port, 502)
    expect(line).toMatchObject({ level: 'error', refusal: 'upstream-failed' })
  })

  it.each([
    ['hangs', ''],
    ['hangs within the head', `${OK}Content-Le`],
  ])('but %s: 504', async (_what, bytes) => {
    const upstream = await answering(bytes)
    const proxy = await opening(startProxy(upstream.url, { UPSTREAM_HEADERS_TIMEOUT_MS: '200' }))
    const [, line] = await expectError(proxy, upstream.port, 504)
    expect(line).toMatchObject({ level: 'error', refusal: 'upstream-timeout' })
    await eventually('the hung connection is given up', () => upstream.sockets.size === 0)
  })
})

describe('an app whose reply can be read in two ways, or in none: 502', () => {
  it.each([
    ['bytes of no meaning', '\0\xff\x10 the secret\r\n\r\n'],
    ['the frames of HTTP/2', '\0\0\x12\x04\0\0\0\0\0'],
    ['words', 'the secret\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 1000 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a status of 000', 'HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a control byte in the reason phrase', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok'],
    [
      'a switch of protocols that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    ],
    [
      'Content-Length with Transfer-Encoding',
      `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n`,
    ],
    [
      'Transfer-Encoding with Content-Length',
      `${OK}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n5\r\nabcde\r\n0\r\n\r\n`,
    ],
    ['two Content-Lengths', `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`],
    ['two Content-Lengths that agree', `${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab`],
    ['two Content-Lengths that add up', `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\nabcdefghijk`],
    ['a list of Content-Lengths', `${OK}Content-Length: 2, 2\r\n\r\nab`],
    ['a negative Content-Length', `${OK}Content-Length: -1\r\n\r\nab`],
    ['a coding that was not asked for', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`],
    ['a coding past chunked', `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nab\r\n0\r\n\r\n`],
    ['chunked twice', `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`],
    ['a folded field', `${OK}X: a\r\n b\r\nContent-Length: 2\r\n\r\nok`],
    ['a bare LF', `${OK}X: a\nY: b\r\nContent-Length: 2\r\n\r\nok`],
    ['a bare CR', `${OK}X: a\rY: b\r\nContent-Length: 2\r\n\r\nok`],
    ['a space in a name', `${OK}X Y: a\r\nContent-Length: 2\r\n\r\nok`],
    ['a NUL in a value', `${OK}X: a\0b\r\nContent-Length: 2\r\n\r\nok`],
    ['a control byte in a value', `${OK}X: a\x01b\r\nContent-Length: 2\r\n\r\nok`],
    ['a head of 200 KB', `${OK}X: ${'a'.repeat(200_000)}\r\nContent-Length: 2\r\n\r\nok`],
  ])('%s', async (_shape, bytes) => {
    const upstream = await answering(bytes)
    const proxy = await opening(startProxy(upstream.url))
    const [, line] = await expectError(proxy, upstream.port, 502)
    expect(line).toMatchObject({ level: 'error', refusal: 'upstream-failed' })
    expect(line.reason).toBeTypeOf('string')
  })
})

describe('a reply that breaks off after its head is cut, never completed', () => {
  it.each([
    ['a body shorter than its length', `${OK}Content-Length: 5\r\n\r\nab`, 'end'],
    [
      'a body shorter than its length, on a connection called the last',
      `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nab`,
      'end',
    ],
    ['a body reset before its length', `${OK}Content-Length: 5\r\n\r\nab`, 'reset'],
    ['a chunk shorter than its size', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nab`, 'end'],
    ['no last chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`, 'end'],
    [
      'no last chunk, on a connection called the last',
      `${OK}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`,
      'end',
    ],
    ['a body that stops coming', `${OK}Content-Length: 5\r\n\r\nab`, 'stay'],
  ] as const)('%s', async (_shape, bytes, then) => {
    const upstream = await answering(bytes, then)
    const proxy = await opening(startProxy(upstream.url, { UPSTREAM_IDLE_TIMEOUT_MS: '200' }))
    const client = await rawClient(proxy.port)
    client.send(REQUEST)
    const [reply, ...others] = rawReplies(await client.closed()) as [RawReply]
    expect(reply).toMatchObject({ status: 200, body: 'ab', isWhole: false })
    expect(others).toEqual([])
    const line = await proxy.line(({ outcome }) => outcome === 'cut')
    expect(line).toMatchObject({ correlationId: 'the-id', status: 200, level: 'error' })
    expect(proxy.lines).toEqual([line])
  })
})

describe('a body that turns out to be malformed', () => {
  const BODY = `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`
  const FAULTS = [
    ['a chunk size that is none', 'zz\r\n'],
    ['a trailer with a control byte', '0\r\nX: a\x01b\r\n\r\n'],
  ] as const

  it.each(FAULTS)('before anything has been sent: %s is a 502', async (_shape, fault) => {
    const upstream = await answering(BODY + fault)
    const proxy = await opening(startProxy(upstream.url))
    const [, line] = await expectError(proxy, upstream.port, 502)
    expect(line).toMatchObject({ level: 'error', refusal: 'upstream-failed' })
  })

  it.each(FAULTS)('after: %s cuts the reply', async (_shape, fault) => {
    const upstream = await opening(
      startRawUpstream((socket: Socket) => {
        socket.once('data', () => socket.write(BODY))
        goOn = () => socket.write(fault)
      }),
    )
    let goOn = () => true
    const proxy = await opening(startProxy(upstream.url))
    const client = await rawClient(proxy.port)
    client.send(REQUEST)
    await client.until('ab')
    goOn()
    expect(rawReplies(await client.closed())).toMatchObject([{ status: 200, body: 'ab', isWhole: false }])
    expect(await proxy.line(({ outcome }) => outcome === 'cut')).toMatchObject({ status: 200, level: 'error' })
  })
})

it('a connection that takes longer to open than a request may wait for one is a 504, at its own time limit', async () => {
  // It takes the connection, and leaves the handshake of TLS unanswered.
  const upstream = await opening(startRawUpstream((socket) => socket.resume()))
  const proxy = await opening(
    startProxy(`https://127.0.0.1:${upstream.port}`, {
      UPSTREAM_QUEUE_TIMEOUT_MS: '100',
      UPSTREAM_CONNECT_TIMEOUT_MS: '600',
    }),
  )
  const [, line] = await expectError(proxy, upstream.port, 504)
  expect(line).toMatchObject({ refusal: 'upstream-timeout' })
})

it('a reply without a length that breaks off is reset for a client of HTTP/1.0, to whom its end would be the end', async () => {
  let socket: Socket | undefined
  const upstream = await opening(
    startRawUpstream((connection) => {
      socket = connection
      connection.once('data', () => connection.write(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`))
    }),
  )
  const proxy = await opening(startProxy(upstream.url))
  const client = await rawClient(proxy.port)
  const errors: unknown[] = []
  client.socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
  client.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  await client.until('ab')
  socket?.resetAndDestroy()
  await client.closed()
  expect(errors).toEqual(['ECONNRESET'])
})

it('interim replies without end are not kept for a client that does not read them', async () => {
  let sent = 0
  const upstream = await opening(
    startRawUpstream((socket) => {
      socket.once('data', () => {
        const hints = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(1_000)}\r\n\r\n`.repeat(50)
        const more = () => {
          sent += hints.length
          if (!socket.destroyed && sent < 60_000_000) socket.write(hints, () => setImmediate(more))
        }
        more()
      })
    }),
  )
  const proxy = await opening(startProxy(upstream.url))
  const connections: Socket[] = []
  proxy.server.port.on('connection', (connection) => connections.push(connection))
  const client = await rawClient(proxy.port)
  client.socket.pause()
  client.send(REQUEST)
  await eventually('the app has sent much', () => sent > 50_000_000)
  expect(connections[0]?.writableLength).toBeLessThan(1_000_000)
  client.socket.destroy()
})

describe('what only looks odd in a reply goes on', () => {
  it.each([
    ['no reason phrase', 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok', 200],
    ['a reason phrase past ASCII', 'HTTP/1.1 404 \xd0\x9d\xd0\xb5\xd1\x82\r\nContent-Length: 2\r\n\r\nok', 404],
    ['a status of no class', 'HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok', 799],
    ['a name with an underscore', `${OK}X_Y: a\r\nContent-Length: 2\r\n\r\nok`, 200],
  ])('%s', async (_shape, bytes, status) => {
    const upstream = await answering(bytes)
    const proxy = await opening(startProxy(upstream.url))
    const client = await rawClient(proxy.port)
    client.send(REQUEST)
    await client.until('\r\n\r\nok')
    expect(rawReplies(client.received())).toMatchObject([{ status, body: 'ok', isWhole: true }])
    client.socket.destroy()
  })
})

it('bytes that an app sends behind a reply are never taken for the reply to the next request', async () => {
  const upstream = await answering(`${OK}Content-Length: 2\r\n\r\nok${OK}Content-Length: 4\r\n\r\nevil`)
  const proxy = await opening(startProxy(upstream.url, { UPSTREAM_CONNECTIONS_LIMIT: '1' }))
  const client = await rawClient(proxy.port)
  client.send(REQUEST.repeat(20))
  await eventually('all are answered', () => client.received().split('HTTP/1.1 ').length > 20)
  expect(client.received()).not.toContain('evil')
  client.socket.destroy()
})

describe('an app with no connection free', () => {
  it('and a full queue: 503 at once, with the time to wait', async () => {
    const upstream = await answering('')
    const proxy = await opening(
      startProxy(upstream.url, { UPSTREAM_CONNECTIONS_LIMIT: '1', UPSTREAM_QUEUE_LIMIT: '1' }),
    )
    const waiting = await rawClient(proxy.port)
    waiting.send('GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await eventually('the first is with the app', () => upstream.sockets.size === 1 && proxy.upstream.pool.queued === 0)
    const queued = await rawClient(proxy.port)
    queued.send('GET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await eventually('the second waits', () => proxy.upstream.pool.queued === 1)
    const [reply, line] = await expectError(proxy, upstream.port, 503)
    expect(values(reply, 'retry-after')).toEqual(['1'])
    expect(line).toMatchObject({ level: 'warn', refusal: 'upstream-busy' })
    waiting.socket.destroy()
    queued.socket.destroy()
    await eventually('nobody waits any more', () => proxy.upstream.pool.queued === 0)
  })

  it('in time: 503, with the time to wait', async () => {
    const upstream = await answering('')
    const proxy = await opening(
      startProxy(upstream.url, { UPSTREAM_CONNECTIONS_LIMIT: '1', UPSTREAM_QUEUE_TIMEOUT_MS: '100' }),
    )
    const waiting = await rawClient(proxy.port)
    waiting.send('GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await eventually('the first is with the app', () => upstream.sockets.size === 1 && proxy.upstream.pool.queued === 0)
    const [reply] = await expectError(proxy, upstream.port, 503)
    expect(values(reply, 'retry-after')).toEqual(['1'])
    expect(proxy.upstream.pool.queued).toBe(0)
    waiting.socket.destroy()
  })
})

describe('a layer that fails: 500', () => {
  const failing = (hook: 'admit' | 'onReply'): Layer => ({
    name: 'failing',
    [hook]: () => {
      throw new Error('the secret of this layer')
    },
  })

  /** A server with the usual layers round one that fails, over an app that answers by itself. */
  const startServer = async (layer: Layer) => {
    const lines: LogLine[] = []
    const log = pino(
      { formatters: { level: (level) => ({ level }) } },
      { write: (text) => lines.push(JSON.parse(text)) },
    )
    const limits = {
      ...{ targetBytes: 1_000, headerBytes: 4_000, uploadIdleMs: 1_000, downloadIdleMs: 1_000, upgradeIdleMs: 60_000 },
      ...{ unreadBodyBytes: 1_000, headersTimeoutMs: 1_000, keepAliveTimeoutMs: 1_000 },
    }
    const pipeline = compose(
      [accessLog(log, 'all'), edgeHeaders(), rescue(), layer, { name: 'last', admit: () => PASS }],
      (exchange) => {
        exchange.sendHead({ status: 200, statusText: 'OK', headers: ['Content-Length', '2'] })
        exchange.end([])
      },
      (name) => lines.push({ level: 'error', msg: `failure of ${name}` }),
    )
    const server = new ProxyServer(pipeline, calm, limits, new TrafficCounts(), log)
    await server.port.open('127.0.0.1', 0)
    opened.push({
      async close() {
        server.cut()
        server.stopAccepting()
        server.close()
      },
    })
    return { port: server.port.address.port, lines }
  }

  it.each(['admit', 'onReply'] as const)('at %s, with the cause in the log alone', async (hook) => {
    const { port, lines } = await startServer(failing(hook))
    const client = await rawClient(port)
    client.send(REQUEST)
    const received = await client.until(/\r\n\r\n.*\n$/s)
    client.socket.destroy()
    expect(received).not.toContain('secret')
    const [reply] = rawReplies(received) as [RawReply]
    expect(reply).toMatchObject({ status: 500, isWhole: true })
    expect(JSON.parse(reply.body)).toMatchObject({ status: 500, correlationId: 'the-id' })
    await eventually('it is logged', () => lines.length > 0)
    expect(lines).toMatchObject([
      { level: 'error', status: 500, refusal: 'internal-error', err: { message: 'the secret of this layer' } },
    ])
  })
})
