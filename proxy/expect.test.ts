import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { rawClient } from './testing/raw-client.ts'
import { type RawReply, rawReplies, values } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

let upstream: TestUpstream
let proxy: TestProxy
const seen: string[] = []
const expectations: (string | undefined)[] = []

beforeAll(async () => {
  upstream = await startUpstream((request, response) => {
    expectations.push(request.headers.expect)
    if (request.url === '/early') {
      response.writeHead(403, { Connection: 'close' }).end('no need of it')
      return
    }
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      seen.push(body)
      response.end(`got ${body}`)
    })
  })
  proxy = await startProxy(upstream.url)
})

afterAll(async () => {
  await proxy.close()
  await upstream.close()
})

beforeEach(() => {
  ;(proxy.lines as unknown[]).length = seen.length = expectations.length = 0
})

const head = (fields: string, path = '/x', version = '1.1'): string =>
  `POST ${path} HTTP/${version}\r\nHost: a.example\r\nContent-Length: 4\r\n${fields}\r\n`

const finalReply = (received: string): RawReply => rawReplies(received).at(-1) as RawReply

it('the client is asked for its body, which then flows; the expectation itself is not forwarded', async () => {
  const client = await rawClient(proxy.port)
  client.send(head('Expect: 100-continue\r\n'))
  expect(await client.until('\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  expect(seen).toEqual([])
  client.send('abcd')
  await client.until('got abcd')
  expect(rawReplies(client.received()).map(({ status }) => status)).toEqual([100, 200])
  expect(expectations).toEqual([undefined])

  // The connection is in step: another request is answered on it.
  client.send(`${head('expect: 100-CONTINUE\r\n')}wxyz`)
  await client.until('got wxyz')
  expect(rawReplies(client.received()).map(({ status }) => status)).toEqual([100, 200, 100, 200])
  client.socket.destroy()
})

it.each([
  ['a malformed request', head('Expect: 100-continue\r\nX_Y: z\r\n'), 400],
  ['a request for a page that is not there', head('Expect: 100-continue\r\n', '/__sidegate/none'), 404],
  ['a target that is too long', head('Expect: 100-continue\r\n', `/${'a'.repeat(9_000)}`), 414],
])('%s is refused before the body: never 100, and the connection closes', async (_what, bytes, status) => {
  const client = await rawClient(proxy.port)
  client.send(bytes)
  const replies = rawReplies(await client.closed())
  expect(replies.map((reply) => reply.status)).toEqual([status])
  const reply = finalReply(client.received())
  expect(reply.isWhole).toBe(true)
  expect(values(reply, 'connection')).toEqual(['close'])
  expect(expectations).toEqual([])
})

it('a client that sends its body without waiting gets the refusal all the same', async () => {
  const client = await rawClient(proxy.port)
  client.send(
    `${head('Expect: 100-continue\r\n', '/__sidegate/none')}abcdGET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n`,
  )
  expect(rawReplies(await client.closed()).map(({ status }) => status)).toEqual([404])
  expect(expectations).toEqual([])
})

it.each([
  ['another expectation', 'Expect: 200-ok\r\n'],
  ['another expectation beside it', 'Expect: 100-continue, 200-ok\r\n'],
  ['another expectation before it', 'Expect: 200-ok, 100-continue\r\n'],
  ['another expectation on a line of its own', 'Expect: 100-continue\r\nExpect: 200-ok\r\n'],
  ['one that only begins like it', 'Expect: 100-continued\r\n'],
  ['one that has a parameter', 'Expect: 100-continue;q=1\r\n'],
])('%s: 417, logged once, and the connection closes', async (_what, field) => {
  const client = await rawClient(proxy.port)
  client.send(head(`${field}X-Request-ID: the-id\r\n`))
  const reply = finalReply(await client.closed())
  expect(reply).toMatchObject({ status: 417, isWhole: true })
  expect(values(reply, 'x-request-id')).toEqual(['the-id'])
  expect(values(reply, 'content-type')).toEqual(['application/problem+json'])
  expect(JSON.parse(reply.body)).toMatchObject({ status: 417, correlationId: 'the-id' })
  await proxy.line(({ status }) => status === 417)
  expect(proxy.lines).toMatchObject([{ correlationId: 'the-id', outcome: 'refused', refusal: 'expectation-failed' }])
  expect(expectations).toEqual([])
})

it.each([
  ['of HTTP/1.0', head('Expect: 100-continue\r\n', '/x', '1.0')],
  ['of HTTP/1.0 that nobody knows', head('Expect: 200-ok\r\n', '/x', '1.0')],
  ['of nothing', head('Expect:\r\n')],
])('an expectation %s is passed over', async (_what, bytes) => {
  const client = await rawClient(proxy.port)
  client.send(`${bytes}abcd`)
  await client.until('got abcd')
  expect(rawReplies(client.received()).map(({ status }) => status)).toEqual([200])
  expect(expectations).toEqual([undefined])
  client.socket.destroy()
})

it('an app that answers before the end of the body: its answer arrives, and the rest is no request of anyone', async () => {
  const client = await rawClient(proxy.port)
  client.send(head('Expect: 100-continue\r\n', '/early'))
  await client.until('100 Continue')
  client.send('ab')
  await client.until('no need of it')
  expect(finalReply(client.received())).toMatchObject({ status: 403 })
  client.send(`cd${head('')}wxyz`)
  await client.until('got wxyz')
  expect(rawReplies(client.received()).map(({ status }) => status)).toEqual([100, 403, 200])
  client.socket.destroy()
})

it('an expectation without a body is met', async () => {
  const client = await rawClient(proxy.port)
  client.send('GET /x HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\n\r\n')
  await client.until('got ')
  expect(finalReply(client.received())).toMatchObject({ status: 200, isWhole: true })
  client.socket.destroy()
})
