import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, get, type IncomingMessage, request } from 'node:http'
import { type Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { rawClient } from './testing/raw-client.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from './testing/start-upstream.ts'

const MEBIBYTE = 1_048_576

let proxy: TestProxy
let upstream: TestUpstream

afterEach(async () => {
  await proxy.close()
  await upstream.close()
})

const replyTo = async (sent: ClientRequest): Promise<IncomingMessage> => {
  const [reply] = (await once(sent, 'response')) as [IncomingMessage]
  return reply
}

const textOf = async (stream: Readable): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const digestInto = (hash: ReturnType<typeof createHash>): Writable =>
  new Writable({
    write(chunk, _encoding, callback) {
      hash.update(chunk)
      callback()
    },
  })

describe('bodies', () => {
  it('arrive whole and unchanged in both directions, chunked or with a length', async () => {
    upstream = await startUpstream((incoming, outgoing) => {
      incoming.pipe(outgoing)
    })
    proxy = await startProxy(upstream.url)
    for (const framing of ['length', 'chunked'] as const) {
      const body = randomBytes(3 * MEBIBYTE + 17)
      const sent = request(`${proxy.origin}/echo`, {
        method: 'POST',
        headers: framing === 'length' ? { 'content-length': body.length } : {},
      })
      const reply = replyTo(sent)
      sent.end(body)
      const hash = createHash('sha256')
      await pipeline(await reply, digestInto(hash))
      expect(hash.digest('hex')).toBe(createHash('sha256').update(body).digest('hex'))
    }
  })

  it('are not decompressed on the way', async () => {
    const gzip = Buffer.from('1f8b0800000000000003cb48cdc9c95728cf2fca49010085114a0d0b000000', 'hex')
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': gzip.length }).end(gzip)
    })
    proxy = await startProxy(upstream.url)
    const reply = await replyTo(get(proxy.origin, { headers: { 'Accept-Encoding': 'gzip' } }))
    const chunks: Buffer[] = []
    for await (const chunk of reply) chunks.push(chunk as Buffer)
    expect(reply.headers['content-encoding']).toBe('gzip')
    expect(Buffer.concat(chunks).equals(gzip)).toBe(true)
  })

  it('hold the app back while the client does not read', async () => {
    let written = 0
    upstream = await startUpstream((_incoming, outgoing) => {
      const piece = Buffer.alloc(64 * 1_024)
      const write = () => {
        while (written < 256 * MEBIBYTE) {
          written += piece.length
          if (!outgoing.write(piece)) {
            outgoing.once('drain', write)
            return
          }
        }
        outgoing.end()
      }
      write()
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    let before = -1
    await eventually('the app is held back', () => {
      const isStill = before === written && written > 0
      before = written
      return isStill
    })
    // What is held is what the kernel and two processes' buffers take, far below the 256 MiB on offer.
    expect(written).toBeLessThan(64 * MEBIBYTE)
    client.socket.destroy()
  })

  it('hold the client back while the app does not read', async () => {
    let incoming: IncomingMessage | undefined
    upstream = await startUpstream((received, outgoing) => {
      incoming = received
      received.pause()
      received.on('end', () => outgoing.end())
    })
    proxy = await startProxy(upstream.url)
    const sent = request(proxy.origin, { method: 'POST' })
    sent.on('error', () => undefined) // the test ends by cutting it
    const piece = Buffer.alloc(64 * 1_024)
    let offered = 0
    const write = () => {
      while (offered < 256 * MEBIBYTE) {
        offered += piece.length
        if (!sent.write(piece)) {
          sent.once('drain', write)
          return
        }
      }
    }
    write()
    await eventually('the app has the request', () => incoming !== undefined)
    let before = -1
    await eventually('the client is held back', () => {
      const isStill = before === offered
      before = offered
      return isStill
    })
    expect(offered).toBeLessThan(64 * MEBIBYTE)
    // Node does not watch a socket that it does not read: the abort is seen once the app reads on, or times out.
    sent.destroy()
    incoming?.on('error', () => undefined)
    incoming?.resume()
  })
})

describe('server-sent events', () => {
  it('arrive one by one, each before the next is sent', async () => {
    let send: ((text: string) => void) | undefined
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' })
      outgoing.flushHeaders()
      send = (text) => outgoing.write(text)
    })
    proxy = await startProxy(upstream.url)
    const reply = await replyTo(get(proxy.origin, { headers: { Accept: 'text/event-stream' } }))
    for (let number = 0; number < 5; number++) {
      send?.(`data: ${number}\n\n`)
      const [chunk] = (await once(reply, 'data')) as [Buffer]
      expect(String(chunk)).toBe(`data: ${number}\n\n`)
    }
    reply.destroy()
  })
})

describe('interim replies and trailers', () => {
  it('pass 103 Early Hints with its fields, before the reply', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, () => outgoing.end('done'))
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const received = await client.closed()
    expect(received).toMatch(
      /^HTTP\/1\.1 103 [^\r]*\r\nlink: <\/style\.css>; rel=preload; as=style\r\n\r\nHTTP\/1\.1 200 OK\r\n/i,
    )
    expect(received.slice(received.indexOf('200 OK'))).toContain('done')
  })

  it('keep 103 from a client of HTTP/1.0, which knows none', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => outgoing.end('done'))
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 OK/)
  })

  it('pass trailers, but none that would frame, route or authenticate', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { Trailer: 'Server-Timing, X-Checksum, Set-Cookie, Content-Length' })
      outgoing.write('body')
      outgoing.addTrailers([
        ['Server-Timing', 'db;dur=53'],
        ['X-Checksum', 'abc'],
        ['Set-Cookie', 'stolen=1'],
        ['Authorization', 'Bearer x'],
      ])
      outgoing.end()
    })
    proxy = await startProxy(upstream.url)
    const reply = await replyTo(get(proxy.origin, { headers: { TE: 'trailers' } }))
    expect(await textOf(reply)).toBe('body')
    expect(reply.rawTrailers).toEqual(['Server-Timing', 'db;dur=53', 'X-Checksum', 'abc'])
  })
})

it('trailers of a request go on, but none that would frame, route or authenticate', async () => {
  upstream = await startUpstream((incoming, outgoing) => {
    incoming.resume().on('end', () => outgoing.end(JSON.stringify([incoming.headers, incoming.trailers])))
  })
  proxy = await startProxy(upstream.url)
  const client = await rawClient(proxy.port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n')
  client.send('2\r\nab\r\n0\r\nX-Sum: 7\r\nX-Hop: 1\r\nHost: b\r\nX-Forwarded-For: 192.0.2.1\r\nCookie: c\r\n\r\n')
  const [headers, trailers] = JSON.parse(/\[.*\]/.exec(await client.until(']'))?.[0] as string)
  expect(headers).toMatchObject({ trailer: 'X-Sum', 'transfer-encoding': 'chunked' })
  expect(trailers).toEqual({ 'x-sum': '7' })
  client.socket.destroy()
})

describe('pipelined requests', () => {
  it('are answered in order, one at a time, whatever their number', async () => {
    let underWay = 0
    let most = 0
    upstream = await startUpstream((incoming, outgoing) => {
      most = Math.max(most, ++underWay)
      setImmediate(() => {
        underWay--
        outgoing.end(`<${incoming.url}>`)
      })
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    const numbers = Array.from({ length: 2_000 }, (_, index) => index)
    client.send(numbers.map((number) => `GET /${number} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    await eventually('the last reply', () => client.received().includes('</1999>'))
    expect([...client.received().matchAll(/<\/(\d+)>/g)].map(([, number]) => Number(number))).toEqual(numbers)
    expect(most).toBe(1)
    client.socket.destroy()
  })

  it('with bodies are each whole', async () => {
    upstream = await startUpstream((incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': incoming.headers['content-length'] })
      incoming.pipe(outgoing)
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    const body = (number: number) => String(number).padStart(50_000, '.')
    for (let number = 0; number < 20; number++) {
      client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n${body(number)}`)
    }
    await eventually('the last reply', () => client.received().includes(body(19)))
    for (let number = 0; number < 20; number++) expect(client.received()).toContain(body(number))
    client.socket.destroy()
  })
})

describe('a reply that announces trailers', () => {
  it('passes where none can be sent: HEAD, HTTP/1.0, a length', async () => {
    upstream = await startRawUpstream((socket) => {
      socket.on('data', (head: Buffer) => {
        const fields = 'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nContent-Length: 2\r\n\r\n'
        socket.write(head.toString().startsWith('HEAD') ? fields : `${fields}ok`)
      })
    })
    proxy = await startProxy(upstream.url)
    for (const line of ['HEAD / HTTP/1.1', 'GET / HTTP/1.0', 'GET / HTTP/1.1']) {
      const client = await rawClient(proxy.port)
      client.send(`${line}\r\nHost: a\r\nConnection: close\r\n\r\n`)
      expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    }
  })
})

describe('replies without a body', () => {
  it('keep the length of HEAD, and 204 and 304 as they are', async () => {
    upstream = await startUpstream((incoming, outgoing) => {
      if (incoming.method === 'HEAD') outgoing.writeHead(200, { 'Content-Length': 12_345 }).end()
      else if (incoming.url === '/204') outgoing.writeHead(204).end()
      else outgoing.writeHead(304, { ETag: '"x"' }).end()
    })
    proxy = await startProxy(upstream.url)
    const head = await replyTo(request(proxy.origin, { method: 'HEAD' }).end())
    expect(head.headers['content-length']).toBe('12345')
    expect(await textOf(head)).toBe('')
    const noContent = await replyTo(get(`${proxy.origin}/204`))
    expect([noContent.statusCode, await textOf(noContent)]).toEqual([204, ''])
    const notModified = await replyTo(get(`${proxy.origin}/304`))
    expect([notModified.statusCode, notModified.headers.etag, await textOf(notModified)]).toEqual([304, '"x"', ''])
  })

  it('keep the connection to the app after HEAD', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': 5 }).end()
    })
    proxy = await startProxy(upstream.url)
    for (let round = 0; round < 5; round++) {
      const head = await replyTo(request(proxy.origin, { method: 'HEAD' }).end())
      head.resume()
      await once(head, 'end')
    }
    expect(upstream.connections()).toBe(1)
  })
})
