import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { type RawClient, rawClient } from './testing/raw-client.ts'
import { type RawReply, rawReplies, values } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

interface Started {
  readonly upstream: TestUpstream
  readonly proxy: TestProxy
  readonly client: RawClient
  /** Targets of the requests that reached the app to their end. */
  readonly seen: string[]
}

/** An app that answers what it has read to the end, the proxy with small limits, and a client that says nothing yet. */
const start = async (environment: Record<string, string> = {}): Promise<Started> => {
  const seen: string[] = []
  const upstream = await startUpstream((request, response) => {
    request.on('error', () => request.destroy())
    request.resume().on('end', () => {
      seen.push(request.url as string)
      response.end('from the app')
    })
  })
  const proxy = await startProxy(upstream.url, environment)
  opened.push(upstream, proxy)
  return { upstream, proxy, client: await rawClient(proxy.port), seen }
}

const onlyReply = (received: string): RawReply => {
  const replies = rawReplies(received)
  expect(replies).toHaveLength(1)
  return replies[0] as RawReply
}

const expectRefusal = async ({ proxy, client }: Started, status: number): Promise<RawReply> => {
  const reply = onlyReply(await client.closed())
  expect(reply).toMatchObject({ status, isWhole: true })
  expect(values(reply, 'connection')).toEqual(['close'])
  const { correlationId } = JSON.parse(reply.body)
  expect(values(reply, 'x-request-id')).toEqual([correlationId])
  const line = await proxy.line(({ outcome }) => outcome !== undefined)
  expect(line).toMatchObject({ correlationId, status, outcome: 'refused' })
  expect(proxy.lines).toEqual([line])
  return reply
}

describe('a head that does not come in time: 408, and the connection closes', () => {
  const SLOW = { CLIENT_HEADERS_TIMEOUT_MS: '300' }

  it('as nothing comes at all', async () => {
    await expectRefusal(await start(SLOW), 408)
  })

  it('as it stops within', async () => {
    const started = await start(SLOW)
    started.client.send('GET / HTTP/1.1\r\nHost: a.exa')
    await expectRefusal(started, 408)
  })

  it('as it comes byte by byte', async () => {
    const started = await start(SLOW)
    const { client } = started
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\nX: ')
    const trickle = setInterval(() => client.socket.writable && client.send('x'), 20)
    await expectRefusal(started, 408)
    clearInterval(trickle)
    expect(started.seen).toEqual([])
  })

  it('on a connection that was answered before', async () => {
    const { client, seen } = await start(SLOW)
    client.send('GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await client.until('from the app')
    client.send('GET /2 HTTP/1.1\r\n')
    expect(rawReplies(await client.closed()).map(({ status }) => status)).toEqual([200, 408])
    expect(seen).toEqual(['/1'])
  })
})

describe('a body that stops coming: 408, the connection closes, and the app never has it whole', () => {
  const SLOW = { CLIENT_IDLE_TIMEOUT_MS: '300' }

  it.each([
    ['before its first byte', 'Content-Length: 10\r\n\r\n'],
    ['within its length', 'Content-Length: 10\r\n\r\nabc'],
    ['within a chunk', 'Transfer-Encoding: chunked\r\n\r\n5\r\nab'],
    ['before its last chunk', 'Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n'],
    ['after 100 Continue', 'Expect: 100-continue\r\nContent-Length: 10\r\n\r\n'],
  ])('%s', async (_where, rest) => {
    const { proxy, client, seen, upstream } = await start(SLOW)
    client.send(`POST / HTTP/1.1\r\nHost: a.example\r\n${rest}`)
    const reply = rawReplies(await client.closed()).at(-1) as RawReply
    expect(reply).toMatchObject({ status: 408, isWhole: true })
    expect(values(reply, 'connection')).toEqual(['close'])
    await proxy.line(({ status, refusal }) => status === 408 && refusal === 'request-timeout')
    expect(proxy.lines).toHaveLength(1)
    expect(seen).toEqual([])
    await eventually('the app is not left waiting for the rest', () => upstream.sockets.size === 0)
  })

  it('but not one that comes slowly, however long it takes', async () => {
    const { client, seen } = await start(SLOW)
    client.send('POST /slow HTTP/1.1\r\nHost: a.example\r\nContent-Length: 20\r\n\r\n')
    for (let sent = 0; sent < 20; sent++) {
      await delay(50)
      client.send('x')
    }
    await client.until('from the app')
    expect(seen).toEqual(['/slow'])
    client.socket.destroy()
  })
})

describe('a head that is too large', () => {
  const SMALL = { HEADER_LIMIT_BYTES: '8192', TARGET_LIMIT_BYTES: '1024' }

  it('in one field: 431', async () => {
    const started = await start(SMALL)
    started.client.send(`GET / HTTP/1.1\r\nHost: a.example\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`)
    await expectRefusal(started, 431)
    expect(started.seen).toEqual([])
  })

  it('in very many fields: 431', async () => {
    const started = await start(SMALL)
    started.client.send(`GET / HTTP/1.1\r\nHost: a.example\r\n${'X: y\r\n'.repeat(5_000)}\r\n`)
    await expectRefusal(started, 431)
    expect(started.seen).toEqual([])
  })

  it('and has no end: 431', async () => {
    const started = await start(SMALL)
    started.client.send(`GET / HTTP/1.1\r\nHost: a.example\r\nX: ${'x'.repeat(9_000)}`)
    await expectRefusal(started, 431)
  })

  it.each([
    ['in its path', `/${'x'.repeat(1_500)}`],
    ['in its query', `/?${'x'.repeat(1_500)}`],
    ['in its path, past what a head may have', `/${'x'.repeat(20_000)}`],
    ['in its query, past what a head may have', `/?${'x'.repeat(20_000)}`],
  ])('in the target, %s: 414', async (_where, target) => {
    const started = await start(SMALL)
    started.client.send(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`)
    await expectRefusal(started, 414)
    expect(started.seen).toEqual([])
  })

  it('in a target without an end: 414', async () => {
    const started = await start(SMALL)
    started.client.send(`GET /${'x'.repeat(20_000)}`)
    await expectRefusal(started, 414)
  })

  it('but not one just within both limits, which reaches the app whole', async () => {
    let fields: string[] = []
    const upstream = await startUpstream((request, response) => {
      fields = request.rawHeaders
      response.end('from the app')
    })
    const proxy = await startProxy(upstream.url, { ...SMALL, HEADER_LIMIT_BYTES: '16384' })
    opened.push(upstream, proxy)
    const client = await rawClient(proxy.port)
    const many = Array.from({ length: 500 }, (_, index) => `N${index}: v`)
    client.send(`GET /${'x'.repeat(1_023)} HTTP/1.1\r\nHost: a.example\r\n${many.join('\r\n')}\r\n\r\n`)
    await client.until('from the app')
    expect(fields.filter((part) => /^N\d+$/.test(part))).toEqual(many.map((field) => field.slice(0, -3)))
    client.socket.destroy()
  })
})

describe('the body of a request that is refused before it was read', () => {
  const refused = (length: number): string =>
    `POST /__sidegate/none HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${length}\r\n\r\n`

  it('is dropped where it is small, and the connection serves the next request', async () => {
    const { client, seen } = await start({ UNREAD_BODY_LIMIT_BYTES: '65536' })
    client.send(refused(50_000))
    client.send('x'.repeat(20_000))
    await client.until('There is nothing here.')
    client.send('x'.repeat(30_000))
    client.send('GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await client.until('from the app')
    expect(rawReplies(client.received()).map(({ status }) => status)).toEqual([404, 200])
    expect(seen).toEqual(['/next'])
    client.socket.destroy()
  })

  it('leaves nothing on a connection that is kept, however often', async () => {
    const { proxy } = await start()
    const sockets: Socket[] = []
    proxy.server.port.on('connection', (socket) => sockets.push(socket))
    const client = await rawClient(proxy.port)
    const listeners = () => sockets[0]?.eventNames().map((name) => sockets[0]?.listenerCount(name))
    const times = (text: string) => client.received().split(text).length - 1
    let after: ReturnType<typeof listeners>
    for (let round = 1; round <= 20; round++) {
      client.send(refused(10))
      await eventually('the refusal', () => times('There is nothing here.') === round)
      client.send('x'.repeat(10))
      client.send('GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n')
      await eventually('the next reply', () => times('from the app') === round)
      after ??= listeners()
    }
    expect(listeners()).toEqual(after)
    client.socket.destroy()
  })

  it('is dropped chunk by chunk as well', async () => {
    const { client, seen } = await start()
    client.send('POST /__sidegate/none HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n')
    await client.until('There is nothing here.')
    client.send('5\r\nabcde\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await client.until('from the app')
    expect(seen).toEqual(['/next'])
    client.socket.destroy()
  })

  it.each([
    ['announced', refused(1_000_000_000)],
    ['chunked', 'POST /__sidegate/none HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n'],
    ['of a malformed request', 'POST / HTTP/1.1\r\nHost: a.example\r\nX_Y: z\r\nContent-Length: 1000000000\r\n\r\n'],
  ])('ends the connection where it is large (%s), after the reply has been read', async (_how, head) => {
    const { proxy, seen, client } = await start({ UNREAD_BODY_LIMIT_BYTES: '65536' })
    client.socket.destroy()
    // A client that sends on for as long as it is let, whatever it is told.
    const socket = connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true })
    socket.on('error', () => undefined) // in the end it is cut
    let received = ''
    let repliedAtMs = 0
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      repliedAtMs = performance.now()
    })
    socket.write(head)
    const block = Buffer.alloc(65_536, 'x')
    while (!socket.destroyed) {
      if (!socket.write(block))
        await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined)
      await delay(0)
    }
    const reply = onlyReply(received)
    expect(reply.isWhole).toBe(true)
    expect([400, 404]).toContain(reply.status)
    expect(performance.now() - repliedAtMs, 'it is the bytes that end it, not the time').toBeLessThan(1_500)
    await proxy.line(({ outcome }) => outcome === 'refused')
    expect(proxy.lines).toHaveLength(1)
    expect(seen).toEqual([])
  })

  it('ends the connection where it does not come either', async () => {
    const { client } = await start()
    client.send(refused(50_000))
    expect(onlyReply(await client.closed())).toMatchObject({ status: 404, isWhole: true })
  })
})

describe('a client that leaves its reply unread is cut', () => {
  it('while the app still sends', async () => {
    const bytes = 64 * 1_048_576
    let isDone = false
    const upstream = await startUpstream((_request, response) => {
      response.on('close', () => {
        isDone = true
      })
      response.end(Buffer.alloc(bytes, 'x'))
    })
    const proxy = await startProxy(upstream.url, { CLIENT_IDLE_TIMEOUT_MS: '400' })
    opened.push(upstream, proxy)
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: unread\r\n\r\n')
    const line = await proxy.line(({ correlationId }) => correlationId === 'unread')
    expect(line).toMatchObject({ outcome: 'cut', refusal: 'request-timeout', status: 200 })
    expect(line.bodyBytes).toBeLessThanOrEqual(bytes)
    await eventually('the app is released', () => isDone)
    client.socket.resume()
    await client.closed()
  })

  it('when the app has sent it all', async () => {
    // Small enough for the proxy to have the whole of it in hand, its end too.
    const upstream = await startUpstream((_request, response) => void response.end(Buffer.alloc(60_000, 'x')))
    const proxy = await startProxy(upstream.url, { CLIENT_IDLE_TIMEOUT_MS: '400' })
    opened.push(upstream, proxy)
    const client = await rawClient(proxy.port)
    client.socket.pause()
    // As many as it takes to fill the system's buffers, so that one of them stays in the proxy's.
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'.repeat(400))
    const line = await proxy.line(({ outcome }) => outcome === 'cut')
    expect(line).toMatchObject({ refusal: 'request-timeout', status: 200 })
    client.socket.resume()
    await client.closed()
  })

  it('but not one that reads slowly', async () => {
    const bytes = 2 * 1_048_576
    const upstream = await startUpstream((_request, response) => void response.end(Buffer.alloc(bytes, 'x')))
    const proxy = await startProxy(upstream.url, { CLIENT_IDLE_TIMEOUT_MS: '1000' })
    opened.push(upstream, proxy)
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')
    let isOpen = true
    client.socket.once('close', () => {
      isOpen = false
    })
    while (isOpen) {
      client.socket.pause()
      await delay(20)
      client.socket.resume()
      await delay(1)
    }
    expect(onlyReply(await client.closed())).toMatchObject({ status: 200, isWhole: true })
  })
})

describe('a client that pipelines without end and reads nothing', () => {
  it('is not read while its requests wait', async () => {
    const upstream = await startUpstream((request, response) => {
      request.resume()
      response.on('error', () => response.destroy())
    })
    // A socket that is not read does not tell that its client has left: the app's time limit ends what is under way.
    const proxy = await startProxy(upstream.url, { UPSTREAM_HEADERS_TIMEOUT_MS: '300' })
    opened.push(upstream, proxy)
    const sockets: Socket[] = []
    proxy.server.port.on('connection', (socket) => sockets.push(socket))
    const client = await rawClient(proxy.port)
    client.socket.pause()
    const requests = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(400_000)
    client.send(requests)
    let before = -1
    await eventually('the proxy has stopped reading', () => {
      const now = sockets[0]?.bytesRead ?? 0
      const isStill = now > 0 && now === before
      before = now
      return isStill
    })
    expect(before).toBeLessThan(requests.length / 10)
    client.socket.destroy()
  })
})
