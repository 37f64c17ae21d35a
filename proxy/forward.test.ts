import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { rawClient } from './testing/raw-client.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

let proxy: TestProxy
let upstream: TestUpstream | undefined

afterEach(async () => {
  await proxy.close()
  await upstream?.close()
  upstream = undefined
})

describe('an https app', () => {
  it('is asked for by the name in UPSTREAM_URL, whatever Host the client sends', async () => {
    const namesAskedFor: string[] = []
    // No certificate: the name comes in the client's first message, and that is as far as this goes.
    const server = createTlsServer({
      SNICallback: (name, callback) => {
        namesAskedFor.push(name)
        callback(new Error('no certificate here'))
      },
    })
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    server.listen(0, 'localhost')
    await once(server, 'listening')
    proxy = await startProxy(`https://localhost:${(server.address() as AddressInfo).port}`)
    try {
      const client = await rawClient(proxy.port)
      client.send('GET / HTTP/1.1\r\nHost: someone-else.example\r\nConnection: close\r\n\r\n')
      expect(await client.closed()).toMatch(/^HTTP\/1\.1 502 /)
      expect(namesAskedFor.length).toBeGreaterThan(0)
      expect(new Set(namesAskedFor)).toEqual(new Set(['localhost']))
    } finally {
      server.close()
    }
  })
})

describe('the header section of a reply', () => {
  const replyWith = (bytes: number) =>
    startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'X-Large': 'x'.repeat(bytes) }).end('ok')
    })

  it('passes where it is large', async () => {
    upstream = await replyWith(12_000)
    proxy = await startProxy(upstream.url, { UPSTREAM_HEADER_LIMIT_BYTES: '13000' })
    expect((await fetch(proxy.origin)).headers.get('x-large')).toHaveLength(12_000)
  })

  it('beyond UPSTREAM_HEADER_LIMIT_BYTES is a 502', async () => {
    upstream = await replyWith(12_000)
    proxy = await startProxy(upstream.url, { UPSTREAM_HEADER_LIMIT_BYTES: '8000' })
    expect((await fetch(proxy.origin)).status).toBe(502)
  })
})
