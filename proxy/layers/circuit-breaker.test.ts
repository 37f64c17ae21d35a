import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { TestPolicies } from '../testing/policies.ts'
import { rawClient } from '../testing/raw-client.ts'
import { startProxy, type TestProxy } from '../testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from '../testing/start-upstream.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

const FAILURES = 3
const OPEN_MS = 5_000
const RAMP_MS = 10_000
const breaker = { consecutiveFailures: FAILURES, openSeconds: OPEN_MS / 1_000, rampSeconds: RAMP_MS / 1_000 }
const NO_RAMP = { breaker: { ...breaker, rampSeconds: 0 } }

interface Bed {
  readonly proxy: TestProxy
  readonly policies: TestPolicies
  /** The time of the circuits. */
  pass(ms: number): void
  ask(path?: string, method?: string): Promise<number>
  state(operation?: string): string | undefined
}

const bed = async (
  app: TestUpstream,
  policy: Readonly<Record<string, unknown>> = { breaker },
  environment: Readonly<Record<string, string>> = {},
): Promise<Bed> => {
  opened.push(app)
  let nowMs = 1_000_000
  const clock = { wallMs: () => Date.now(), monotonicMs: () => nowMs }
  const policies = new TestPolicies(policy)
  const proxy = await startProxy(app.url, environment, policies, { clock })
  opened.push(proxy)
  return {
    proxy,
    policies,
    pass: (ms) => {
      nowMs += ms
    },
    async ask(path = '/', method = 'GET') {
      const reply = await fetch(`${proxy.origin}${path}`, { method })
      await reply.text().catch(() => undefined)
      return reply.status
    },
    state: (operation = 'read') => proxy.circuits.reports().find(({ name }) => name === operation)?.state,
  }
}

const times = async <T>(count: number, run: () => Promise<T>): Promise<T[]> => {
  const results: T[] = []
  for (let time = 0; time < count; time++) results.push(await run())
  return results
}

/** An app that does what the test has it do, and counts what it is asked. */
const appThat = async (first: (request: IncomingMessage, response: ServerResponse) => void) => {
  const app = { answer: first, requests: 0 }
  const upstream = await startUpstream((request, response) => {
    app.requests++
    app.answer(request, response)
  })
  return { app, upstream }
}

const replies = (status: number) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status).end('text')

/** A request of which nobody waits for the end, until the test says so. */
const held = (proxy: TestProxy, head: string) => {
  const socket = connect(proxy.port, '127.0.0.1')
  socket.write(head)
  socket.on('error', () => undefined)
  return socket
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

describe('an app that answers with errors', () => {
  it('is asked no more, until one request has shown that it is well, and then by and by', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, pass, proxy, state } = await bed(upstream)
    expect(await times(FAILURES, ask)).toEqual([500, 500, 500])
    const refused = await fetch(proxy.origin)
    expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('cache-control')]).toEqual([
      ...[503, '5', 'no-store'],
    ])
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
    expect(await refused.json()).toMatchObject({ status: 503, correlationId: refused.headers.get('x-request-id') })
    expect(app.requests).toBe(FAILURES)
    expect(await proxy.line(({ refusal }) => refusal === 'circuit-open')).toMatchObject({
      ...{ level: 'info', status: 503, reason: 'the circuit of "read" is open' },
    })
    pass(OPEN_MS - 1)
    expect((await fetch(proxy.origin)).headers.get('retry-after')).toBe('1')
    expect(app.requests).toBe(FAILURES)

    app.answer = replies(200)
    pass(1)
    expect([await ask(), state()]).toEqual([200, 'closing'])
    expect(await times(20, ask)).toEqual(Array(20).fill(503)) // no time has passed: the share is none
    pass(RAMP_MS / 2)
    const half = await times(100, ask)
    expect(new Set(half)).toEqual(new Set([200, 503]))
    pass(RAMP_MS / 2)
    expect(new Set(await times(20, ask))).toEqual(new Set([200]))
    expect(state()).toBe('closed')
    const changes = proxy.lines.filter(({ msg }) => msg.startsWith('circuit '))
    expect(changes.map(({ from, to, cause }) => [from, to, cause])).toEqual([
      ['closed', 'open', 'failures-in-a-row'],
      ['open', 'half-open', 'probe-due'],
      ['half-open', 'closing', 'probe-answered'],
      ['closing', 'closed', 'ramp-over'],
    ])
    expect(changes[0]).toMatchObject({ level: 'warn', msg: 'circuit opens', operation: 'read', failuresInARow: 3 })
  })

  it('is left alone for as long again where the probe fails', async () => {
    const { app, upstream } = await appThat(replies(502))
    const { ask, pass, state } = await bed(upstream)
    await times(FAILURES, ask)
    pass(OPEN_MS)
    expect([await ask(), await ask(), app.requests, state()]).toEqual([502, 503, FAILURES + 1, 'open'])
    pass(OPEN_MS - 1)
    expect(await ask()).toBe(503)
  })

  it('is asked for no other than the probe while that is under way', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, pass, proxy, state } = await bed(upstream, NO_RAMP)
    await times(FAILURES + 1, ask)
    pass(OPEN_MS)
    let answer = (): void => undefined
    app.answer = (_request, response) => {
      answer = () => void response.end('ok')
    }
    const probe = fetch(proxy.origin)
    await eventually('the app has the probe', () => app.requests === FAILURES + 1)
    expect(await Promise.all(Array.from({ length: 50 }, () => ask()))).toEqual(Array(50).fill(503))
    expect([app.requests, state()]).toEqual([FAILURES + 1, 'half-open'])
    expect(proxy.lines.findLast(({ refusal }) => refusal === 'circuit-open')).toMatchObject({
      reason: 'the circuit of "read" is half-open',
    })
    answer()
    expect([(await probe).status, state()]).toEqual([200, 'closed'])
  })

  it('gets the probe once, on a connection that nobody has used, since one that is kept may be lost to a race', async () => {
    const seen: [path: string, connection: number][] = []
    let connections = 0
    const app = await startRawUpstream((socket) => {
      const connection = connections++
      socket.on('data', (bytes) => {
        const path = String(bytes).split(' ')[1] as string
        seen.push([path, connection])
        if (path === '/probe') socket.destroy()
        else socket.write(`HTTP/1.1 ${path.slice(1)} Text\r\nContent-Length: 0\r\n\r\n`)
      })
    })
    const { ask, pass, state } = await bed(app)
    await times(FAILURES, () => ask('/500'))
    pass(OPEN_MS)
    expect([await ask('/probe'), state()]).toEqual([502, 'open'])
    expect(seen).toEqual([...Array(FAILURES).fill(['/500', 0]), ['/probe', 1]])
  })

  it.each([400, 404, 429, 501, 505])('is not one whose %d tells of the request', async (status) => {
    const { upstream } = await appThat(replies(status))
    const { ask, state } = await bed(upstream, { breaker: { ...breaker, consecutiveFailures: 1 } })
    expect(await times(5, ask)).toEqual(Array(5).fill(status))
    expect(state()).toBe('closed')
  })

  it('is well where it answers the probe at all', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, pass, state } = await bed(upstream, NO_RAMP)
    await times(FAILURES, ask)
    app.answer = replies(404)
    pass(OPEN_MS)
    expect([await ask(), state()]).toEqual([404, 'closed'])
  })
})

describe('an app that does not answer', () => {
  it('as it is gone, is asked no more', async () => {
    const { upstream } = await appThat(replies(200))
    const { ask, proxy } = await bed(upstream)
    expect(await ask()).toBe(200)
    await upstream.close()
    expect(await times(FAILURES + 1, ask)).toEqual([502, 502, 502, 503])
    expect(await proxy.line(({ msg }) => msg === 'circuit opens')).toMatchObject({ cause: 'failures-in-a-row' })
  })

  it('as it hangs, is asked no more', async () => {
    const { upstream } = await appThat(() => undefined)
    const { ask } = await bed(upstream, { breaker }, { UPSTREAM_HEADERS_TIMEOUT_MS: '50' })
    expect(await Promise.all(Array.from({ length: FAILURES }, () => ask()))).toEqual([504, 504, 504])
    expect(await ask()).toBe(503)
  })

  it.each([
    ['a reply that is none', 'HTTP/1.1 two hundred\r\n\r\n'],
    ['a good head whose body is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('but with %s, is asked no more', async (_what, reply) => {
    const app = await startRawUpstream((socket) => {
      socket.on('data', () => socket.end(reply))
    })
    const { ask } = await bed(app)
    expect(await times(FAILURES + 1, ask)).toEqual([502, 502, 502, 503])
  })

  it('but breaks off within its replies, is asked no more', async () => {
    const app = await startRawUpstream((socket) => {
      socket.on('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n')
        socket.write('part', () => setImmediate(() => socket.destroy()))
      })
    })
    const { ask, proxy } = await bed(app)
    for (let time = 0; time < FAILURES; time++) {
      const client = await rawClient(proxy.port)
      client.send(GET)
      await client.closed()
    }
    expect(await ask()).toBe(503)
    expect(proxy.lines.filter(({ outcome }) => outcome === 'cut').length).toBeGreaterThan(0)
  })
})

describe('what is not the app’s to answer for', () => {
  it('is a client that leaves', async () => {
    const { app, upstream } = await appThat(() => undefined)
    const { ask, proxy, state } = await bed(upstream, { breaker: { ...breaker, consecutiveFailures: 1 } })
    for (let time = 1; time <= 5; time++) {
      const socket = held(proxy, GET)
      await eventually('the app has the request', () => app.requests === time)
      socket.destroy()
      await eventually('it has been given up', () => proxy.server.inFlight().requests === 0)
    }
    app.answer = replies(200)
    expect([state(), await ask()]).toEqual(['closed', 200])
  })

  it('is a client that takes the probe and leaves: the next request is the probe', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, pass, proxy, state } = await bed(upstream, NO_RAMP)
    await times(FAILURES, ask)
    pass(OPEN_MS)
    app.answer = () => undefined
    const socket = held(proxy, GET)
    await eventually('the app has the probe', () => app.requests === FAILURES + 1)
    expect(await ask()).toBe(503)
    socket.destroy()
    await eventually('it has been given up', () => proxy.server.inFlight().requests === 0)
    app.answer = replies(200)
    expect([state(), await ask(), state()]).toEqual(['half-open', 200, 'closed'])
  })

  it('is a client that takes the probe and does not send its body', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, pass, proxy, state } = await bed(upstream, NO_RAMP, { CLIENT_IDLE_TIMEOUT_MS: '100' })
    await times(FAILURES, () => ask('/', 'POST'))
    pass(OPEN_MS)
    app.answer = () => undefined
    const client = await rawClient(proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart')
    expect(await client.closed()).toMatch(/^HTTP\/1.1 408 /)
    app.answer = replies(200)
    expect([state('write'), await ask('/', 'POST'), state('write')]).toEqual(['half-open', 200, 'closed'])
  })

  it('is a client that takes the probe and sends its body without end', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, pass, proxy, state } = await bed(upstream, NO_RAMP)
    await times(FAILURES, () => ask('/', 'POST'))
    pass(OPEN_MS)
    app.answer = (request) => void request.resume()
    const socket = held(proxy, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart')
    await eventually('the app has the probe', () => app.requests === FAILURES + 1)
    pass(OPEN_MS + 31_999) // and what the app may take to be connected to, and to answer
    expect(await ask('/', 'POST')).toBe(503)
    pass(1)
    app.answer = replies(200)
    expect([await ask('/', 'POST'), state('write')]).toEqual([200, 'closed'])
    socket.destroy()
  })

  it('is that our own queue for it is full', async () => {
    const { app, upstream } = await appThat(() => undefined)
    const { ask, proxy, state } = await bed(
      upstream,
      { breaker: { ...breaker, consecutiveFailures: 1 } },
      { UPSTREAM_CONNECTIONS_LIMIT: '1', UPSTREAM_QUEUE_LIMIT: '1' },
    )
    const sockets = [held(proxy, GET)]
    await eventually('the app has a request', () => app.requests === 1)
    sockets.push(held(proxy, GET))
    await eventually('another waits', () => proxy.upstream.pool.queued === 1)
    expect([await ask(), state()]).toEqual([503, 'closed'])
    expect(await proxy.line(({ refusal }) => refusal !== undefined)).toMatchObject({ refusal: 'upstream-busy' })
    for (const socket of sockets) socket.destroy()
  })
})

describe('a stream', () => {
  it('as the probe has done its part with its head', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, pass, proxy, state } = await bed(upstream, NO_RAMP)
    await times(FAILURES, ask)
    pass(OPEN_MS)
    app.answer = (_request, response) =>
      void response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
    const client = await rawClient(proxy.port)
    client.send(GET)
    await client.until('data: 1')
    expect(state()).toBe('closed')
    app.answer = replies(200)
    expect(await ask()).toBe(200)
    client.socket.destroy()
  })

  it('of a WebSocket has done so with the switch', async () => {
    const { upstream } = await appThat(replies(500))
    const switching = await startRawUpstream((socket) => {
      socket.on('data', (bytes) => {
        const isHandshake = /upgrade: websocket/i.test(String(bytes))
        socket.write(
          isHandshake
            ? 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
            : 'HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n',
        )
      })
    })
    opened.push(upstream)
    const { ask, pass, proxy, state } = await bed(switching, NO_RAMP)
    await times(FAILURES, ask)
    pass(OPEN_MS)
    const client = await rawClient(proxy.port)
    client.send(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await client.until('101 Switching')
    expect(state()).toBe('closed')
    client.socket.destroy()
  })
})

describe('circuits', () => {
  const routes = {
    files: { match: { path: '/files/*' }, operation: 'files' },
    jobs: { match: { path: '/jobs' }, operation: 'jobs' },
  }
  const operations = { files: {}, jobs: { breaker: false } }

  it('are one for each operation, but for those that are not watched', async () => {
    const { app, upstream } = await appThat(replies(500))
    const { ask, proxy } = await bed(upstream, { routes, operations, breaker })
    await times(10, () => ask('/files/a', 'POST'))
    expect(app.requests).toBe(FAILURES)
    expect(await times(10, () => ask('/jobs'))).toEqual(Array(10).fill(500))
    expect(await times(2, () => ask('/', 'POST'))).toEqual([500, 500])
    expect(proxy.circuits.reports().map(({ name, state, refused }) => [name, state, refused])).toEqual([
      ['read', 'closed', 0],
      ['write', 'closed', 0],
      ['files', 'open', 7],
    ])
  })

  it('outlive a change of the policy, whose rules they follow', async () => {
    const { upstream } = await appThat(replies(500))
    const { ask, pass, policies, state } = await bed(upstream, { routes, operations, breaker })
    await times(FAILURES, () => ask('/files/a'))
    await times(FAILURES - 1, ask)
    policies.change({ routes, operations, breaker: { ...breaker, openSeconds: 2 } })
    expect([state('files'), await ask('/files/a')]).toEqual(['open', 503])
    pass(2_000)
    expect(await ask('/files/a')).toBe(500)
    await ask()
    expect(state('read')).toBe('open') // what had been counted still was
    policies.change({ routes, operations: { ...operations, files: { breaker: false } } })
    expect([state('files'), await ask('/files/a')]).toEqual([undefined, 500])
  })
})
