import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { rawClient } from './testing/raw-client.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

let proxy: TestProxy
let upstream: TestUpstream
let received: { incoming: IncomingMessage; outgoing: ServerResponse }[]

beforeEach(async () => {
  received = []
  upstream = await startUpstream((incoming, outgoing) => {
    received.push({ incoming, outgoing })
  })
  proxy = await startProxy(upstream.url)
})

afterEach(async () => {
  await proxy.close()
  await upstream.close()
})

const arrived = async (): Promise<{ incoming: IncomingMessage; outgoing: ServerResponse }> => {
  await eventually('the app has the request', () => received.length > 0)
  return received[0] as { incoming: IncomingMessage; outgoing: ServerResponse }
}

describe('a client that goes away', () => {
  it('within its upload cancels the request at the app, is logged 499, and leaks nothing', async () => {
    const client = await rawClient(proxy.port)
    client.send('POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\npart of it')
    const { incoming } = await arrived()
    incoming.resume()
    const aborted = once(incoming, 'error')
    client.socket.destroy()
    await aborted
    expect(incoming.complete).toBe(false)
    const line = await proxy.line((logged) => logged.status === 499)
    expect(line).toMatchObject({ outcome: 'client-abort', method: 'POST', path: '/up' })
    expect(line.level).toBe('info')
    await eventually('no connection to the app is left', () => upstream.sockets.size === 0)
  })

  it('before the reply cancels the request at the app', async () => {
    const client = await rawClient(proxy.port)
    client.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    const { outgoing } = await arrived()
    const closed = once(outgoing, 'close')
    client.socket.destroy()
    await closed
    expect(await proxy.line((logged) => logged.status === 499)).toMatchObject({ outcome: 'client-abort' })
    await eventually('no connection to the app is left', () => upstream.sockets.size === 0)
  })

  it('within its download cancels the rest, and keeps the status that it saw', async () => {
    const client = await rawClient(proxy.port)
    client.send('GET /big HTTP/1.1\r\nHost: a\r\n\r\n')
    const { outgoing } = await arrived()
    const closed = once(outgoing, 'close')
    outgoing.writeHead(200)
    const piece = Buffer.alloc(65_536)
    const write = () => {
      while (outgoing.write(piece));
      outgoing.once('drain', write)
    }
    write()
    await client.until('200 OK')
    client.socket.destroy()
    await closed
    expect(await proxy.line((logged) => logged.outcome === 'client-abort')).toMatchObject({ status: 200 })
    await eventually('no connection to the app is left', () => upstream.sockets.size === 0)
  })

  it('is not counted as a failure, nor answered', async () => {
    const client = await rawClient(proxy.port)
    client.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    await arrived()
    client.socket.destroy()
    await eventually('the exchange has ended', () => [...proxy.traffic.entries()].length > 0)
    expect([...proxy.traffic.entries()]).toEqual([{ outcome: 'client-abort', status: 499, count: 1 }])
    expect(client.received()).toBe('')
  })
})

describe('an app that answers early', () => {
  it('gets its reply through while the client is still sending', async () => {
    const client = await rawClient(proxy.port)
    client.send('POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n')
    const flood = setInterval(() => client.send(Buffer.alloc(65_536)), 1)
    const { outgoing } = await arrived()
    // It reads on, as a server should. One that resets the connection instead may take its own reply with it.
    outgoing.writeHead(413, { 'Content-Length': 9 }).end('too large')
    const reply = await client.until('too large')
    clearInterval(flood)
    expect(reply).toMatch(/^HTTP\/1\.1 413 /)
    await client.closed()
  })

  it('keeps the connection where little of the body was left', async () => {
    const client = await rawClient(proxy.port)
    client.send('POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
    const { outgoing } = await arrived()
    outgoing.writeHead(403, { 'Content-Length': 2 }).end('no')
    await client.until(/no$/)
    client.send('world')
    client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    await eventually('the app has the next request', () => received.length === 2)
    expect(received[1]?.incoming.url).toBe('/next')
    received[1]?.outgoing.end('next')
    await client.until('next')
    client.socket.destroy()
  })
})
