import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rawClient } from './testing/raw-client.ts'
import { type RawReply, rawReplies, values } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from './testing/start-upstream.ts'

/** What the app saw: a head alone, and a request to its end. */
const heads: string[] = []
const whole: string[] = []

let upstream: TestUpstream
let proxy: TestProxy

beforeAll(async () => {
  upstream = await startUpstream((request, response) => {
    const line = `${request.method} ${request.url} for ${request.headers.host}`
    heads.push(line)
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      whole.push(line)
      response.end(`got ${JSON.stringify(body)}`)
    })
  })
  proxy = await startProxy(upstream.url)
})

afterAll(async () => {
  await proxy.close()
  await upstream.close()
})

beforeEach(async () => {
  // A connection to the app is open and idle, so that whatever is forwarded is there at once.
  expect(await (await fetch(`${proxy.origin}/warm`)).text()).toBe('got ""')
  await proxy.line(({ path }) => path === '/warm')
  heads.length = 0
  whole.length = 0
  ;(proxy.lines as unknown[]).length = 0
})

const HOST = 'Host: a.example\r\n'
/** Follows each bad request in the same packet: no reading of the bad one may let it through. */
const SMUGGLED = `GET /smuggled HTTP/1.1\r\n${HOST}\r\n`

/** Sends bytes that must be refused, and holds all that is promised of every refusal. */
const expectRefused = async (bytes: string, status: number): Promise<RawReply> => {
  const client = await rawClient(proxy.port)
  client.send(bytes)
  const replies = rawReplies(await client.closed())
  expect(replies.map((reply) => reply.status)).toEqual([status])
  const reply = replies[0] as RawReply
  expect(reply.isWhole).toBe(true)
  expect(values(reply, 'connection')).toEqual(['close'])
  expect(values(reply, 'content-type')).toEqual(['application/problem+json'])
  expect(values(reply, 'cache-control')).toEqual(['no-store'])
  expect(values(reply, 'traceparent')).toHaveLength(1)
  const problem = JSON.parse(reply.body)
  expect(problem).toMatchObject({ type: 'about:blank', status })
  expect([problem.correlationId]).toEqual(values(reply, 'x-request-id'))

  // What comes after shows that nothing else came before it, upstream and in the log.
  expect((await fetch(`${proxy.origin}/sentinel`)).status).toBe(200)
  await proxy.line(({ path }) => path === '/sentinel')
  const logged = proxy.lines.filter(({ path }) => path !== '/sentinel')
  expect(logged).toMatchObject([{ correlationId: problem.correlationId, status, outcome: 'refused' }])
  return reply
}

const expectRefusedUnseen = async (bytes: string, status = 400): Promise<void> => {
  await expectRefused(bytes, status)
  expect(heads).toEqual([expect.stringContaining('GET /sentinel')])
}

const chunked = (body: string): string =>
  `POST /x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}${SMUGGLED}`

const post = (fields: string, body = ''): string => `POST /x HTTP/1.1\r\n${HOST}${fields}\r\n${body}${SMUGGLED}`

const get = (fields: string): string => `GET /x HTTP/1.1\r\n${fields}\r\n${SMUGGLED}`

const line = (requestLine: string): string => `${requestLine}\r\n${HOST}\r\n${SMUGGLED}`

describe('a request whose head can be read in two ways is refused, closed on and never seen by the app', () => {
  it.each([
    [
      'Transfer-Encoding after Content-Length',
      post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    ],
    [
      'Content-Length after Transfer-Encoding',
      post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '0\r\n\r\n'),
    ],
    [
      'Content-Length with Transfer-Encoding identity',
      post('Transfer-Encoding: identity\r\nContent-Length: 4\r\n', 'abcd'),
    ],
    ['Content-Length twice, the same', post('Content-Length: 4\r\nContent-Length: 4\r\n', 'abcd')],
    ['Content-Length twice, different', post('Content-Length: 4\r\nContent-Length: 0\r\n', 'abcd')],
    ['Content-Length twice, in different case', post('Content-Length: 4\r\ncontent-LENGTH: 4\r\n', 'abcd')],
    ['a list of one Content-Length', post('Content-Length: 4, 4\r\n', 'abcd')],
    ['a list of two Content-Lengths', post('Content-Length: 4, 5\r\n', 'abcd')],
    ['Content-Length +4', post('Content-Length: +4\r\n', 'abcd')],
    ['Content-Length -4', post('Content-Length: -4\r\n', 'abcd')],
    ['Content-Length 0x4', post('Content-Length: 0x4\r\n', 'abcd')],
    ['Content-Length 4.0', post('Content-Length: 4.0\r\n', 'abcd')],
    ['Content-Length 4 4', post('Content-Length: 4 4\r\n', 'abcd')],
    ['Content-Length with a vertical tab', post('Content-Length: \x0b4\r\n', 'abcd')],
    ['Content-Length of no digits', post('Content-Length:\r\n')],
    ['Content-Length past 64 bits', post('Content-Length: 18446744073709551620\r\n', 'abcd')],
    ['a space before the colon of Content-Length', post('Content-Length : 4\r\n', 'abcd')],
    ['Transfer-Encoding identity', post('Transfer-Encoding: identity\r\n')],
    ['Transfer-Encoding gzip', post('Transfer-Encoding: gzip\r\n')],
    ['Transfer-Encoding chunked, identity', post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding identity, chunked', post('Transfer-Encoding: identity, chunked\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding chunked with a comma', post('Transfer-Encoding: chunked,\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding chunked with a parameter', post('Transfer-Encoding: chunked;q=1\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding xchunked', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding chunkedx', post('Transfer-Encoding: chunkedx\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding in quotes', post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding of nothing', post('Transfer-Encoding:\r\n')],
    ['Transfer-Encoding of nothing on a GET', get(`${HOST}Transfer-Encoding:\r\n`)],
    [
      'Transfer-Encoding chunked twice',
      post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    ],
    [
      'Transfer-Encoding identity, then chunked',
      post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    ],
    [
      'Transfer-Encoding chunked, then identity',
      post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n'),
    ],
    ['Transfer-Encoding with a vertical tab before it', post('Transfer-Encoding:\x0bchunked\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding with a vertical tab behind it', post('Transfer-Encoding: chunked\x0b\r\n', '0\r\n\r\n')],
    ['Transfer-Encoding on a line of its own', post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n')],
    ['a space before the colon of Transfer-Encoding', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
    [
      'Transfer-Encoding in HTTP/1.0',
      `POST /x HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ['two Hosts', get('Host: a.example\r\nHost: b.example\r\n')],
    ['two Hosts that agree', get('Host: a.example\r\nHost: a.example\r\n')],
    ['two Hosts in different case', get('host: a.example\r\nHOST: b.example\r\n')],
    ['two Hosts apart from one another', get('Host: a.example\r\nAccept: */*\r\nHost: b.example\r\n')],
    ['no Host in HTTP/1.1', get('Accept: */*\r\n')],
    ['a Host with a space', get('Host: a b\r\n')],
    ['a Host with a user', get('Host: user@a.example\r\n')],
    ['a Host with a path', get('Host: a.example/b\r\n')],
    ['a Host with a query', get('Host: a.example?b\r\n')],
    ['a Host with a fragment', get('Host: a.example#b\r\n')],
    ['a Host with a backslash', get('Host: a.example\\b\r\n')],
    ['a Host that is a URL', get('Host: http://a.example\r\n')],
    ['a Host with an open bracket', get('Host: [::1\r\n')],
    ['a Host with a name in brackets', get('Host: [a.example]\r\n')],
    ['a Host with a port that is none', get('Host: a.example:http\r\n')],
    ['a Host with a port past 65535', get('Host: a.example:65536\r\n')],
    ['a Host that is a port alone', get('Host: :80\r\n')],
    ['a Host with bytes past ASCII', get('Host: \xe4.example\r\n')],
    ['a bare LF after the request line', `GET /x HTTP/1.1\n${HOST}\r\n${SMUGGLED}`],
    ['a bare LF after a field', get('Host: a.example\nAccept: */*\r\n')],
    ['a bare LF after the last field', `GET /x HTTP/1.1\r\nHost: a.example\n\r\n${SMUGGLED}`],
    ['a bare LF for the end of the head', `GET /x HTTP/1.1\r\nHost: a.example\r\n\n${SMUGGLED}`],
    ['bare LFs throughout', `GET /x HTTP/1.1\nHost: a.example\n\n${SMUGGLED}`],
    ['a bare CR in the target', `GET /x\r HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['a bare CR after the request line', `GET /x HTTP/1.1\r${HOST}\r\n${SMUGGLED}`],
    ['a bare CR in a value', get(`${HOST}X: a\rY: b\r\n`)],
    ['a bare CR in a name', get(`${HOST}X\r: a\r\n`)],
    ['a folded value', get(`${HOST}X: a\r\n b\r\n`)],
    ['a value folded by a tab', get(`${HOST}X: a\r\n\tb\r\n`)],
    ['a folded first field', get(` X: a\r\n${HOST}`)],
    ['a space before a colon', get(`${HOST}X : a\r\n`)],
    ['a tab before a colon', get(`${HOST}X\t: a\r\n`)],
    ['a field without a name', get(`${HOST}: a\r\n`)],
    ['a field without a colon', get(`${HOST}abc\r\n`)],
    ['a name with an underscore', get(`${HOST}X_Y: a\r\n`)],
    ['Content_Length', post('Content_Length: 4\r\n', 'abcd')],
    ['Transfer_Encoding', post('Transfer_Encoding: chunked\r\n', '0\r\n\r\n')],
    ['a NUL in a name', get(`${HOST}X\0Y: a\r\n`)],
    ['a control byte in a name', get(`${HOST}X\x01Y: a\r\n`)],
    ['a byte past ASCII in a name', get(`${HOST}X\xe9Y: a\r\n`)],
    ['a NUL in a value', get(`${HOST}X: a\0b\r\n`)],
    ['a control byte in a value', get(`${HOST}X: a\x01b\r\n`)],
    ['a delete in a value', get(`${HOST}X: a\x7fb\r\n`)],
    ['a NUL in the target', line('GET /\0 HTTP/1.1')],
    ['a control byte in the target', line('GET /\x01 HTTP/1.1')],
    ['a delete in the target', line('GET /\x7f HTTP/1.1')],
    ['a tab in the target', line('GET /\t HTTP/1.1')],
    ['a byte past ASCII in the target', line('GET /\xe9 HTTP/1.1')],
    ['a space in the target', line('GET /a b HTTP/1.1')],
    ['a fragment in the target', line('GET /a#b HTTP/1.1')],
    ['a target that is no path', line('GET a HTTP/1.1')],
    ['a target of another scheme', line('GET ftp://a.example/ HTTP/1.1')],
    ['an absolute target without a host', line('GET http:///a HTTP/1.1')],
    ['an absolute target with a user', line('GET http://user:password@a.example/ HTTP/1.1')],
    ['an absolute target with a bad port', line('GET http://a.example:x/ HTTP/1.1')],
    ['* for another method than OPTIONS', line('GET * HTTP/1.1')],
    ['a tab between method and target', line('GET\t/x HTTP/1.1')],
    ['a space behind the version', line('GET /x HTTP/1.1 ')],
    ['a space before the method', line(' GET /x HTTP/1.1')],
    ['HTTP/0.9 by its shape', `GET /x\r\n\r\n${SMUGGLED}`],
    ['HTTP/0.9 by its word', line('GET /x HTTP/0.9')],
    ['HTTP/1.2', line('GET /x HTTP/1.2')],
    ['HTTP/1.10', line('GET /x HTTP/1.10')],
    ['HTTP/2.0', line('GET /x HTTP/2.0')],
    ['HTTP/3.0', line('GET /x HTTP/3.0')],
    ['http/1.1', line('GET /x http/1.1')],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
    ['a method without end', line(`${'A'.repeat(33)} /x HTTP/1.1`)],
    ['a method with a control byte', line('G\x01T /x HTTP/1.1')],
    ['the start of a TLS handshake', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n'],
    ['bytes of no meaning', '\xf3\x8a\x02\xd1\x99\x04\x00\xfe\x7c\x1b\r\n\r\n'],
    ['a reply', `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`],
  ])('%s', async (_shape, bytes) => expectRefusedUnseen(bytes))

  it('CONNECT: 501, whatever its target', async () => {
    await expectRefusedUnseen(`CONNECT a.example:443 HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`, 501)
    ;(proxy.lines as unknown[]).length = heads.length = 0
    await expectRefusedUnseen(`CONNECT /x HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`, 501)
  })

  it('a refused CONNECT keeps the ID that its client sent', async () => {
    const reply = await expectRefused(`CONNECT a.example:443 HTTP/1.1\r\n${HOST}X-Request-ID: tunnel-1\r\n\r\n`, 501)
    expect(values(reply, 'x-request-id')).toEqual(['tunnel-1'])
  })

  it('a WebSocket handshake with two Hosts', () =>
    expectRefusedUnseen(
      get(
        `${HOST}${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n`,
      ),
    ))

  it('the credentials of a refused target are not logged', async () => {
    await expectRefusedUnseen(line('GET http://user:password@a.example/ HTTP/1.1'))
    expect(JSON.stringify(proxy.lines)).not.toContain('password')
  })
})

describe('a request whose body breaks its framing is refused, closed on and never whole for the app', () => {
  it.each([
    ['a chunk size that overflows', chunked('10000000000000004\r\nabcd\r\n0\r\n\r\n')],
    ['a chunk size of very many digits', chunked(`${'0'.repeat(300)}fffffffffffffffff4\r\nabcd\r\n0\r\n\r\n`)],
    ['a chunk size 0x4', chunked('0x4\r\nabcd\r\n0\r\n\r\n')],
    ['a chunk size -4', chunked('-4\r\nabcd\r\n0\r\n\r\n')],
    ['a chunk size +4', chunked('+4\r\nabcd\r\n0\r\n\r\n')],
    ['a chunk size of no digits', chunked('\r\nabcd\r\n0\r\n\r\n')],
    ['a space before a chunk size', chunked(' 4\r\nabcd\r\n0\r\n\r\n')],
    ['a space behind a chunk size', chunked('4 \r\nabcd\r\n0\r\n\r\n')],
    ['a chunk size with an underscore', chunked('4_0\r\nabcd\r\n0\r\n\r\n')],
    ['a bare LF behind a chunk size', chunked('4\nabcd\r\n0\r\n\r\n')],
    ['a bare CR behind a chunk size', chunked('4\rabcd\r\n0\r\n\r\n')],
    ['a bare LF behind a chunk', chunked('4\r\nabcd\n0\r\n\r\n')],
    ['a bare LF behind the last chunk size', chunked('4\r\nabcd\r\n0\n\r\n')],
    ['a chunk without its CRLF', chunked('4\r\nabcd0\r\n\r\n')],
    ['a chunk longer than its size', chunked('4\r\nabcdefgh\r\n0\r\n\r\n')],
    ['a chunk extension with a bare LF', chunked('4;a\nabcd\r\n0\r\n\r\n')],
    ['a chunk extension that is a bare LF', chunked('4;\n\r\nabcd\r\n0\r\n\r\n')],
    ['a chunk extension with a bare CR', chunked('4;a\rb\r\nabcd\r\n0\r\n\r\n')],
    ['a chunk extension with a NUL', chunked('4;a\0b\r\nabcd\r\n0\r\n\r\n')],
    ['a chunk extension of 20 KiB', chunked(`4;${'a'.repeat(20_480)}\r\nabcd\r\n0\r\n\r\n`)],
    ['a request trailer with a space before its colon', chunked('4\r\nabcd\r\n0\r\nX : y\r\n\r\n')],
    ['a request trailer with a bare LF', chunked('4\r\nabcd\r\n0\r\nX: y\n\r\n')],
  ])('%s', async (_shape, bytes) => {
    await expectRefused(bytes, 400)
    expect(whole).toEqual([expect.stringContaining('GET /sentinel')])
    expect(heads.join()).not.toContain('smuggled')
  })

  it('a request trailer section past the limit: 431', async () => {
    await expectRefused(chunked(`4\r\nabcd\r\n0\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`), 431)
    expect(whole).toEqual([expect.stringContaining('GET /sentinel')])
  })
})

describe('behind a request that is refused nothing is read', () => {
  it('not a request that comes while the refusal is on its way', async () => {
    const client = await rawClient(proxy.port)
    client.send(get(`${HOST}${HOST}`).repeat(3))
    client.send(SMUGGLED)
    expect(rawReplies(await client.closed()).map(({ status }) => status)).toEqual([400])
    await fetch(`${proxy.origin}/sentinel`)
    await proxy.line(({ path }) => path === '/sentinel')
    expect(heads).toEqual([expect.stringContaining('GET /sentinel')])
    expect(proxy.lines.map(({ status }) => status)).toEqual([400, 200])
  })

  it('not bytes of no meaning that come after the refusal: they get no reply and no line in the log', async () => {
    const socket = connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true })
    socket.on('error', () => undefined) // the proxy may have closed by the time
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
    })
    socket.write(`POST /x HTTP/1.1\r\n${HOST}${HOST}Transfer-Encoding: chunked\r\n\r\n`)
    await once(socket, 'end')
    await proxy.line(({ status }) => status === 400)
    socket.end('no chunk size\r\n\r\n')
    await once(socket, 'close')
    expect(rawReplies(received).map(({ status }) => status)).toEqual([400])
    expect(proxy.lines).toHaveLength(1)
  })

  it('not what follows a request that the client called its last', async () => {
    const client = await rawClient(proxy.port)
    client.send(`GET /last HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n${SMUGGLED}`)
    expect(rawReplies(await client.closed()).map(({ status }) => status)).toEqual([200])
    await proxy.line(({ path }) => path === '/last')
    expect(heads).toEqual(['GET /last for a.example'])
    expect(proxy.lines).toHaveLength(1)
  })

  it('requests before it are answered first, in order', async () => {
    const client = await rawClient(proxy.port)
    client.send(
      `GET /1 HTTP/1.1\r\n${HOST}\r\nPOST /2 HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\n${HOST}\r\n${SMUGGLED}`,
    )
    const replies = rawReplies(await client.closed())
    expect(replies.map(({ status, body }) => (status === 200 ? body : status))).toEqual(['got ""', 'got "hi"', 400])
    expect(whole).toEqual(['GET /1 for a.example', 'POST /2 for a.example'])
    await proxy.line(({ status }) => status === 400)
    expect(proxy.lines.map(({ status }) => status).sort()).toEqual([200, 200, 400])
  })

  it('requests before one with a broken body are answered first, and each once', async () => {
    const client = await rawClient(proxy.port)
    client.send(`GET /1 HTTP/1.1\r\n${HOST}\r\n${chunked('zz\r\n')}`)
    const replies = rawReplies(await client.closed())
    expect(replies.map(({ status }) => status)).toEqual([200, 400])
    await proxy.line(({ status }) => status === 400)
    expect(proxy.lines.map(({ path, status }) => [path, status])).toEqual([
      ['/1', 200],
      ['/x', 400],
    ])
  })
})

describe('what only looks odd is accepted', () => {
  const expectAccepted = async (bytes: string, seen: string, body = 'got ""') => {
    const client = await rawClient(proxy.port)
    client.send(bytes)
    await client.until(body)
    expect(whole).toEqual([seen])
    client.socket.destroy()
  }

  it.each([
    [
      'an absolute target, its authority in the place of Host',
      line('GET http://b.example:81/y?z HTTP/1.1'),
      'GET /y?z for b.example:81',
    ],
    ['an absolute target in capitals', line('GET HTTP://b.example HTTP/1.1'), 'GET / for b.example'],
    ['an absolute target of https', line('GET https://b.example/y HTTP/1.1'), 'GET /y for b.example'],
    ['an absolute target with a query and no path', line('GET http://b.example?y HTTP/1.1'), 'GET /?y for b.example'],
    ['a target with two slashes', line('GET //b.example/y HTTP/1.1'), 'GET //b.example/y for a.example'],
    ['a target with a URL in it', line('GET /http://b.example/ HTTP/1.1'), 'GET /http://b.example/ for a.example'],
    ['empty lines before a request', `\r\n\r\nGET /x HTTP/1.1\r\n${HOST}\r\n`, 'GET /x for a.example'],
    ['a Host with IPv6 and port', 'GET /x HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n', 'GET /x for [::1]:8080'],
    ['HTTP/1.0 without Host', 'GET /x HTTP/1.0\r\n\r\n', 'GET /x for '],
  ])('%s', async (_shape, bytes, seen) => expectAccepted(bytes.replace(SMUGGLED, ''), seen))

  it.each([
    ['Transfer-Encoding in capitals', 'Transfer-Encoding: CHUNKED\r\n', '4\r\nabcd\r\n0\r\n\r\n'],
    ['a tab before Transfer-Encoding', 'Transfer-Encoding:\tchunked\r\n', '4\r\nabcd\r\n0\r\n\r\n'],
    ['a chunk extension', 'Transfer-Encoding: chunked\r\n', '4;a=b;c="d"\r\nabcd\r\n0\r\n\r\n'],
    ['a chunk size with zeros in front', 'Transfer-Encoding: chunked\r\n', '0004\r\nabcd\r\n0\r\n\r\n'],
    ['a request trailer', 'Transfer-Encoding: chunked\r\n', '4\r\nabcd\r\n0\r\nX: y\r\n\r\n'],
    ['spaces and tabs round Content-Length', 'Content-Length: \t 4 \t\r\n', 'abcd'],
    ['Content-Length with zeros in front', 'Content-Length: 0004\r\n', 'abcd'],
  ])('%s', async (_shape, fields, body) =>
    expectAccepted(`POST /x HTTP/1.1\r\n${HOST}${fields}\r\n${body}`, 'POST /x for a.example', 'got "abcd"'),
  )

  it.each(['FETCH', 'get', 'M-SEARCH!'])("the method %s, which is the app's to know", async (method) => {
    let received = ''
    const raw = await startRawUpstream((socket) =>
      socket.on('data', (bytes) => {
        received += bytes
        socket.write('HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n')
      }),
    )
    const before = await startProxy(raw.url)
    const client = await rawClient(before.port)
    client.send(`${method} /x HTTP/1.1\r\n${HOST}\r\n`)
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 501 /)
    expect(received).toMatch(new RegExp(`^${method} /x HTTP/1\\.1\r\n`))
    client.socket.destroy()
    await before.close()
    await raw.close()
  })

  it('OPTIONS * and its absolute form are answered here: the server asked is this one', async () => {
    for (const target of ['*', 'http://b.example']) {
      const client = await rawClient(proxy.port)
      client.send(`OPTIONS ${target} HTTP/1.1\r\n${HOST}X-Request-ID: any-one-there\r\n\r\n`)
      const [reply] = rawReplies(await client.until('\r\n\r\n')) as [RawReply]
      expect(reply.status).toBe(204)
      expect(values(reply, 'x-request-id')).toEqual(['any-one-there'])
      client.socket.destroy()
    }
    expect(heads).toEqual([])
  })

  it("the proxy's own paths are its own in absolute form too", async () => {
    const client = await rawClient(proxy.port)
    client.send(`GET http://b.example/__sidegate/none HTTP/1.1\r\n${HOST}\r\n`)
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /)
    expect(heads).toEqual([])
    client.socket.destroy()
  })
})
