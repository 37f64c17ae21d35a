import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { rawClient } from './testing/raw-client.ts'
import { rawReplies, values } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

/** IDs of the requests that the app got, in whole or in part. */
const arrived: string[] = []
/** What the app could not read. */
const unreadable: string[] = []

let upstream: TestUpstream
let proxy: TestProxy

beforeAll(async () => {
  upstream = await startUpstream(
    (request, response) => {
      arrived.push(String(request.headers['x-request-id']))
      request.on('error', () => request.destroy()) // the proxy gives up a request whose body turns out broken
      request.resume().on('end', () => response.end('from the app'))
    },
    (server) =>
      server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
        // A method is any token, and Node's server knows only some: this app takes them all.
        if (error.code === 'HPE_INVALID_METHOD') {
          socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
          return
        }
        if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') unreadable.push(String(error))
        socket.destroy()
      }),
  )
  proxy = await startProxy(upstream.url)
})

afterAll(async () => {
  await proxy.close()
  await eventually('no connection to the app is left', () => upstream.sockets.size === 0)
  await upstream.close()
})

const GET = 'GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n'
const POST = 'POST /b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 11\r\nContent-Type: text/plain\r\n\r\nhello world'
const CHUNKED =
  'PUT /c HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n'
const ABSOLUTE = 'DELETE http://b.example:81/d HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nCookie: a=b; c=d\r\n\r\n'
const OLD = 'GET /e HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n'

/** Bytes that mean something to a parser, and any. */
const shard = fc.oneof(
  fc.constantFrom(
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '0',
    '1',
    'f',
    '\0',
    '\x0b',
    '\x7f',
    '\xff',
  ),
  fc.constantFrom('Content-Length: 4\r\n', 'Transfer-Encoding: chunked\r\n', 'Host: c.example\r\n', 'Expect: x\r\n'),
  fc.constantFrom('0\r\n\r\n', 'GET /f HTTP/1.1\r\n', 'HTTP/1.1', 'Connection: close\r\n', '_', '#', '*', '@'),
  fc.nat(255).map((byte) => String.fromCharCode(byte)),
)

/** Where, as a share of the length; how many bytes go; what comes instead. */
const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), gone: fc.nat(4), instead: fc.option(shard) })

const mutated = fc
  .record({
    requests: fc.array(fc.constantFrom(GET, POST, CHUNKED, ABSOLUTE, OLD), { minLength: 1, maxLength: 3 }),
    edits: fc.array(edit, { maxLength: 4 }),
  })
  .map(({ requests, edits }) =>
    edits.reduce((bytes, { at, gone, instead }) => {
      const start = Math.floor(at * bytes.length)
      return bytes.slice(0, start) + (instead ?? '') + bytes.slice(start + gone)
    }, requests.join('')),
  )

/** Resolves when the proxy has closed, or waits for more with nothing left to answer. */
const settled = async (client: Awaited<ReturnType<typeof rawClient>>): Promise<void> => {
  let quietSince = performance.now()
  let length = -1
  while (!client.socket.destroyed) {
    const isBusy = proxy.server.inFlight().requests > 0
    // An exchange whose client owes us the rest of its body stays in flight: it ends with the client.
    if (client.received().length !== length || (isBusy && performance.now() - quietSince < 60)) {
      if (client.received().length !== length) quietSince = performance.now()
      length = client.received().length
    } else if (performance.now() - quietSince > 15) return
    await delay(3)
  }
}

it('whatever bytes come, the app gets no request that the proxy does not answer for, and the client gets HTTP', async () => {
  await fc.assert(
    fc.asyncProperty(mutated, fc.double({ min: 0, max: 1, noNaN: true }), async (bytes, cut) => {
      ;(proxy.lines as unknown[]).length = arrived.length = 0
      const client = await rawClient(proxy.port)
      const middle = Math.floor(cut * bytes.length)
      client.send(bytes.slice(0, middle))
      await delay(1)
      client.send(bytes.slice(middle))
      await settled(client)
      client.socket.end()
      const received = await client.closed()
      await eventually('the exchange is over', () => proxy.server.inFlight().requests === 0)

      const replies = rawReplies(received).filter(({ status }) => status >= 200)
      const logged = proxy.lines.map(({ correlationId }) => correlationId)
      expect(new Set(arrived).size, 'no request arrives twice').toBe(arrived.length)
      expect(logged, 'every request that arrived is logged').toEqual(expect.arrayContaining(arrived))
      expect(new Set(logged).size, 'no request is logged twice').toBe(logged.length)
      expect(unreadable, 'the app could read all of it').toEqual([])
      for (const reply of replies) {
        expect(values(reply, 'x-request-id')).toHaveLength(1)
        expect(logged, 'every reply is logged').toContain(values(reply, 'x-request-id')[0])
        expect([200, 204, 400, 414, 417, 431, 501]).toContain(reply.status)
      }
      // Once a request is refused for its form, nothing follows.
      const refused = replies.findIndex(({ status }) => status >= 400)
      if (refused !== -1) expect(replies).toHaveLength(refused + 1)
    }),
    { numRuns: 150 },
  )
})
