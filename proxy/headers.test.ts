import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  connectionFields,
  type ForwardedFacts,
  hasToken,
  keptTrailers,
  replyHeaders,
  requestHeaders,
} from './headers.ts'
import { rawClient } from './testing/raw-client.ts'
import { type RawReply, rawReplies, values } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

const facts: ForwardedFacts = {
  host: 'a.example',
  forwardedFor: '192.0.2.7',
  scheme: 'http',
  requestId: 'the-id',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  keepsTraceState: false,
}

/** What the proxy adds to a request, in the order in which it does. */
const OURS = [
  ...['Host', facts.host],
  ...['X-Forwarded-For', facts.forwardedFor],
  ...['X-Forwarded-Host', facts.host],
  ...['X-Forwarded-Proto', facts.scheme],
  ...['X-Request-ID', facts.requestId],
  ...['traceparent', facts.traceparent],
]

describe('request fields', () => {
  it('keep their order, their case, their repetitions and their values', () => {
    const sent = ['accept', '*/*', 'X-One', '1', 'COOKIE', 'a=b', 'x-one', '2', 'X-Text', 'gr\xfc\xdfe', 'X-None', '']
    expect(requestHeaders(sent, facts)).toEqual([...sent, ...OURS])
  })

  it('of the connection go no further, whatever their case', () => {
    const sent = [
      ...['Connection', 'keep-alive', 'Keep-Alive', 'timeout=5', 'PROXY-connection', 'keep-alive'],
      ...['Proxy-Authorization', 'Basic eA==', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c'],
      ...['HTTP2-Settings', 'AAMAAABkAAQAAP__', 'Expect', '100-continue', 'te', 'gzip'],
    ]
    expect(requestHeaders(sent, facts)).toEqual(OURS)
  })

  it('that Connection names go no further, in any case, from any of its lines', () => {
    const sent = [
      ...['X-Keep', '1', 'x-hop', '2', 'Connection', 'close, X-HOP ,\tx-other', 'X-Other', '3'],
      ...['connection', ',,authorization,', 'Authorization', 'Basic eA==', 'X-Hop', '4', 'X-Hope', '5'],
    ]
    expect(requestHeaders(sent, facts)).toEqual(['X-Keep', '1', 'X-Hope', '5', ...OURS])
  })

  it.each(['Cookie', 'Authorization', 'Content-Type', 'Accept'])(
    'Connection may name %s: it is its own that a client loses',
    (name) => {
      expect(requestHeaders([name, 'x', 'Connection', name], facts)).toEqual(OURS)
    },
  )

  it.each(['Host', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Request-ID', 'traceparent'])(
    'Connection cannot take away the %s that the proxy adds',
    (name) => {
      expect(requestHeaders([name, 'x', 'Connection', `${name}, close`], facts)).toEqual(OURS)
    },
  )

  it('Connection cannot bring back what never goes on', () => {
    expect(requestHeaders(['Connection', 'TE, Upgrade', 'TE', 'gzip', 'Upgrade', 'h2c'], facts)).toEqual(OURS)
  })

  it.each([
    'Forwarded',
    'X-Forwarded-For',
    'x-forwarded-host',
    'X-FORWARDED-PROTO',
    'X-Forwarded-Port',
    'X-Forwarded-Server',
    'X-Forwarded-Prefix',
    'X-Real-IP',
    'X-Request-ID',
    'X-Request-Deadline-Ms',
    'traceparent',
  ])('%s of the client is replaced, however often it came', (name) => {
    expect(requestHeaders([name, '203.0.113.9', 'X-Between', '', name, '203.0.113.10'], facts)).toEqual([
      ...['X-Between', ''],
      ...OURS,
    ])
  })

  it('TE goes on as trailers, and only where the client takes them', () => {
    const told = (...rawHeaders: string[]) => connectionFields(rawHeaders, false, false)
    expect(told('TE', 'trailers')).toEqual(['TE', 'trailers', 'Connection', 'TE'])
    expect(told('te', 'gzip;q=0.5, Trailers')).toEqual(['TE', 'trailers', 'Connection', 'TE'])
    expect(told('TE', 'gzip', 'TE', 'trailers')).toEqual(['TE', 'trailers', 'Connection', 'TE'])
    expect(told('TE', 'gzip, xtrailers')).toEqual([])
    expect(told('TE', '')).toEqual([])
    expect(requestHeaders(['TE', 'trailers'], facts)).toEqual(OURS)
  })

  it("tracestate goes on, line by line, with the caller's trace and with no other", () => {
    const sent = ['tracestate', 'a=1', 'X-Between', '', 'TraceState', 'b=2']
    expect(requestHeaders(sent, facts)).toEqual(['X-Between', '', ...OURS])
    expect(requestHeaders(sent, { ...facts, keepsTraceState: true })).toEqual([
      ...['X-Between', '', 'tracestate', 'a=1', 'tracestate', 'b=2'],
      ...OURS,
    ])
  })
})

describe('reply fields', () => {
  it('keep their order, their case and each Set-Cookie of its own', () => {
    const sent = ['content-type', 'x', 'Set-Cookie', 'a=1', 'X-Between', '', 'set-cookie', 'b=2', 'Set-Cookie', 'a=3']
    expect(replyHeaders(sent, 200)).toEqual(sent)
  })

  it('of the connection, and those that the proxy says itself, go no further', () => {
    const sent = [
      ...['Connection', 'close', 'keep-alive', 'timeout=5', 'Proxy-Connection', 'close', 'Proxy-Authenticate', 'Basic'],
      ...['TE', 'trailers', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'X-REQUEST-ID', 'x', 'Traceparent', 'y'],
    ]
    expect(replyHeaders(sent, 200)).toEqual([])
  })

  it('that Connection names go no further', () => {
    expect(replyHeaders(['X-Hop', '1', 'Connection', 'x-hop, Server', 'Server', 'app', 'X-Keep', '2'], 200)).toEqual([
      ...['X-Keep', '2'],
    ])
  })
})

it.each([100, 103, 204])('a reply %i, which has no body, says no length of one', (status) => {
  const sent = ['X-A', 'content-length', 'Content-Length', '2', 'X-B', '']
  expect(replyHeaders(sent, status)).toEqual(['X-A', 'content-length', 'X-B', ''])
})

it('a reply to HEAD, or 304, keeps the length that the body would have', () => {
  expect(replyHeaders(['Content-Length', '2'], 304)).toEqual(['Content-Length', '2'])
})

describe('trailers', () => {
  it('go on where they carry what only a trailer can', () => {
    expect(keptTrailers(['X-Sum', '1', 'Server-Timing', 'db;dur=5', 'x-sum', '2'], [])).toEqual([
      ...['X-Sum', '1'],
      ...['Server-Timing', 'db;dur=5'],
      ...['x-sum', '2'],
    ])
  })

  it.each([
    ...['Transfer-Encoding', 'Content-Length', 'Host', 'Trailer', 'Connection', 'TE', 'Upgrade', 'Keep-Alive'],
    ...['Authorization', 'Cookie', 'Set-Cookie', 'WWW-Authenticate', 'Proxy-Authenticate', 'Proxy-Authorization'],
    ...['Content-Type', 'Content-Encoding', 'Content-Range', 'Cache-Control', 'Age', 'Expires', 'Vary', 'Date'],
    ...['CDN-Cache-Control', 'Surrogate-Control', 'Location', 'Retry-After', 'Range', 'Expect', 'Max-Forwards'],
    ...['X-Request-ID', 'traceparent'],
  ])('do not go on as %s', (name) => {
    expect(keptTrailers([name, 'x', name.toUpperCase(), 'x', name.toLowerCase(), 'x'], [])).toEqual([])
  })

  it('that Connection names in the head go no further', () => {
    expect(keptTrailers(['X-Hop', '1', 'X-Sum', '2'], ['connection', 'X-HOP'])).toEqual(['X-Sum', '2'])
  })
})

it('a token is found as a whole member of a list, in any case', () => {
  expect(hasToken('keep-alive, Upgrade', 'upgrade')).toBe(true)
  expect(hasToken('upgraded', 'upgrade')).toBe(false)
  expect(hasToken('', 'upgrade')).toBe(false)
})

describe('on the wire', () => {
  let upstream: TestUpstream
  let proxy: TestProxy
  let answer: (request: IncomingMessage, response: ServerResponse) => void

  beforeAll(async () => {
    upstream = await startUpstream((request, response) => answer(request, response))
    proxy = await startProxy(upstream.url)
  })

  afterAll(async () => {
    await proxy.close()
    await upstream.close()
  })

  /** Sends one request; gives what the app got and what the client got back. */
  const roundTrip = async (
    fields: string,
    reply: (response: ServerResponse) => void,
  ): Promise<{ request: IncomingMessage; body: string; reply: RawReply }> => {
    let seen: IncomingMessage | undefined
    let body = ''
    answer = async (request, response) => {
      seen = request
      request.on('data', (chunk) => {
        body += chunk
      })
      await once(request, 'end')
      reply(response)
    }
    const client = await rawClient(proxy.port)
    client.send(fields)
    await client.until('the end')
    const [first] = rawReplies(client.received()) as [RawReply]
    client.socket.destroy()
    return { request: seen as IncomingMessage, body, reply: first }
  }

  it('bytes past ASCII pass as they are, both ways', async () => {
    const { request, reply } = await roundTrip(
      'GET / HTTP/1.1\r\nHost: a.example\r\nX-Latin: gr\xfc\xdfe\r\nX-UTF8: \xc3\xbc\r\n\r\n',
      (response) => response.writeHead(200, ['X-Latin', 'stra\xdfe', 'X-UTF8', '\xc3\xbc']).end('the end'),
    )
    expect(request.headers).toMatchObject({ 'x-latin': 'gr\xfc\xdfe', 'x-utf8': '\xc3\xbc' })
    expect(values(reply, 'x-latin')).toEqual(['stra\xdfe'])
    expect(values(reply, 'x-utf8')).toEqual(['\xc3\xbc'])
  })

  it('each Set-Cookie arrives on a line of its own, in order, among the other fields as the app cased them', async () => {
    const { reply } = await roundTrip('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n', (response) =>
      response
        .writeHead(200, ['set-COOKIE', 'a=1; Path=/', 'ETag', '"1"', 'Set-Cookie', 'b=2', 'x-lower', 'c'])
        .end('the end'),
    )
    const names = reply.headers.map(([name]) => name)
    expect(values(reply, 'set-cookie')).toEqual(['a=1; Path=/', 'b=2'])
    expect(names.slice(0, 4)).toEqual(['set-COOKIE', 'ETag', 'Set-Cookie', 'x-lower'])
  })

  it('a Content-Length that Connection names is lost, and the body is not', async () => {
    const { request, body, reply } = await roundTrip(
      'POST / HTTP/1.1\r\nHost: a.example\r\nConnection: content-length\r\nContent-Length: 4\r\n\r\nabcd',
      (response) => response.writeHead(200, ['Connection', 'content-length', 'Content-Length', '7']).end('the end'),
    )
    expect(request.headers).not.toHaveProperty('content-length')
    expect(request.headers['transfer-encoding']).toBe('chunked')
    expect(body).toBe('abcd')
    expect(reply).toMatchObject({ body: 'the end', isWhole: true })
    expect(values(reply, 'content-length')).toEqual([])
  })

  it('an ID and a trace that the app puts on its reply are replaced, each by one', async () => {
    const { request, reply } = await roundTrip(
      'GET / HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: mine\r\n\r\n',
      (response) =>
        response.writeHead(200, ['X-Request-Id', 'theirs', 'x-request-id', 'again', 'TraceParent', 'x']).end('the end'),
    )
    expect(values(reply, 'x-request-id')).toEqual(['mine'])
    expect(values(reply, 'traceparent')).toEqual([request.headers.traceparent])
  })
})
