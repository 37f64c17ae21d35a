import { Agent, get } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { TestPolicies } from './testing/policies.ts'
import { rawClient } from './testing/raw-client.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, type TestUpstream } from './testing/start-upstream.ts'

const REQUESTS = 20_000
const CONNECTIONS = 16

let proxy: TestProxy
let upstream: TestUpstream

afterEach(async () => {
  await proxy.close()
  await upstream.close()
})

/** Calls back for each whole request head (no bodies here). */
const onRequests = (socket: Socket, answer: (head: string) => void): void => {
  let pending = ''
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.toString('latin1')
    for (let end = pending.indexOf('\r\n\r\n'); end !== -1; end = pending.indexOf('\r\n\r\n')) {
      const head = pending.slice(0, end)
      pending = pending.slice(end + 4)
      answer(head)
    }
  })
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

const status = (agent: Agent, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: proxy.port, path, agent }, (reply) => {
      reply.resume()
      reply.once('end', () => resolve(reply.statusCode ?? 0))
      reply.once('error', reject)
    }).once('error', reject)
  })

describe('an app that closes idle connections at random', () => {
  it(`costs no client of ${REQUESTS} idempotent requests an error`, { timeout: 120_000 }, async () => {
    let closings = 0
    upstream = await startRawUpstream((socket) => {
      onRequests(socket, () => {
        socket.write(OK)
        // Sometimes at once, sometimes as the next request is on its way, in good order or by reset.
        if (Math.random() < 0.1) {
          closings++
          const close = () => (Math.random() < 0.5 ? socket.end() : socket.resetAndDestroy())
          if (Math.random() < 0.5) setImmediate(close)
          else setTimeout(close, Math.random() * 3)
        }
      })
    })
    proxy = await startProxy(upstream.url, { ACCESS_LOG: 'off' })
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
    const statuses = new Map<number, number>()
    let left = REQUESTS
    const client = async () => {
      while (left-- > 0) {
        const seen = await status(agent, '/')
        statuses.set(seen, (statuses.get(seen) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, client))
    agent.destroy()
    expect(closings).toBeGreaterThan(1_000)
    expect(Object.fromEntries(statuses)).toEqual({ 200: REQUESTS })
  })
})

describe('an app that drops every connection at its second request', () => {
  const SENT = 5_000

  it('gets a tenth more requests, not twice as many, and the rest of the failures go to the clients', async () => {
    let seen = 0
    upstream = await startRawUpstream((socket) => {
      let count = 0
      onRequests(socket, () => {
        seen++
        if (++count === 1) socket.write(OK)
        else socket.destroy()
      })
    })
    const unwatched = new TestPolicies({ operations: { read: { breaker: false } } })
    proxy = await startProxy(upstream.url, { ACCESS_LOG: 'off' }, unwatched)
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
    const startedMs = performance.now()
    let left = SENT
    let failed = 0
    const client = async () => {
      while (left-- > 0) if ((await status(agent, '/')) === 502) failed++
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, client))
    agent.destroy()
    const { granted, refused } = proxy.upstream.retries
    // One a second is time's own, and ten there are from the start.
    const ofTime = 11 + (performance.now() - startedMs) / 1_000
    expect(seen).toBe(SENT + granted)
    expect(seen).toBeLessThanOrEqual(1.1 * SENT + ofTime)
    expect(granted).toBeGreaterThanOrEqual(SENT / 10 - 1)
    expect([failed, failed > SENT / 10]).toEqual([refused, true])
  })
})

describe('a request whose connection is lost', () => {
  /** Answers the first request of each connection, and drops the connection on the second. */
  const dropsSecond = (seen: string[]) =>
    startRawUpstream((socket) => {
      let count = 0
      onRequests(socket, (head) => {
        seen.push(head.slice(0, head.indexOf(' HTTP')))
        if (++count === 1) socket.write(OK)
        else socket.destroy()
      })
    })

  it('is sent again, on a fresh connection, where it is idempotent and the connection was used before', async () => {
    const seen: string[] = []
    upstream = await dropsSecond(seen)
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    for (const path of ['/1', '/2']) {
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await client.until(new RegExp(`(ok[^]*){${path.slice(1)}}`))
    }
    expect(seen).toEqual(['GET /1', 'GET /2', 'GET /2'])
    client.socket.destroy()
  })

  it('is not sent again where it is not idempotent', async () => {
    const seen: string[] = []
    upstream = await dropsSecond(seen)
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('ok')
    client.send('POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
    await client.until('502 Bad Gateway')
    expect(seen).toEqual(['GET /1', 'POST /2'])
    client.socket.destroy()
  })

  it('is not sent again where it was the connection’s first: that is no race', async () => {
    let requests = 0
    upstream = await startRawUpstream((socket) => {
      onRequests(socket, () => {
        requests++
        socket.destroy()
      })
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('502 Bad Gateway')
    expect(requests).toBe(1)
    client.socket.destroy()
  })

  it('is not sent again once a byte of the reply has gone out, but cut', async () => {
    let requests = 0
    upstream = await startRawUpstream((socket) => {
      onRequests(socket, () => {
        requests++
        if (requests === 1) socket.write(OK)
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart', () => socket.destroy())
      })
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('ok')
    client.send('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.closed()).toMatch(/part$/)
    expect(requests).toBe(2)
    expect(await proxy.line((line) => line.outcome === 'cut')).toMatchObject({
      status: 200,
      refusal: 'upstream-failed',
    })
  })
})
