import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { type ProxyProcess, startProxyProcess } from './testing/proxy-process.ts'
import { startRawUpstream, type TestUpstream } from './testing/start-upstream.ts'

const REPLY = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const REQUEST = `GET /listings/42 HTTP/1.1\r\nHost: a.example\r\nCookie: ${'c'.repeat(500)}\r\n\r\n`

let app: TestUpstream | undefined
let proxy: ProxyProcess | undefined

afterEach(async () => {
  proxy?.child.process.kill('SIGKILL')
  await proxy?.child.exited()
  await app?.close()
})

/** Sends so many requests on so many connections, one at a time on each. */
const load = async (origin: string, connections: number, requests: number): Promise<void> => {
  let left = requests
  const { hostname, port } = new URL(origin)
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(Number(port), hostname)
      let received = ''
      socket.on('connect', () => socket.write(REQUEST))
      socket.on('data', (bytes) => {
        received += bytes.toString('latin1')
        if (!received.endsWith('\r\n\r\nok')) return
        received = ''
        if (left-- > 0) socket.write(REQUEST)
        else socket.end()
      })
      await once(socket, 'close')
    }),
  )
}

/** Collections of the old generation, which V8 starts where much has been promoted to it. */
const majorCollections = async (admin: string): Promise<number> => {
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  const count = (kind: string) =>
    Number(new RegExp(`nodejs_gc_duration_seconds_count\\{.*kind="${kind}"\\} (\\d+)`).exec(metrics)?.[1] ?? 0)
  expect(count('minor')).toBeGreaterThan(0)
  return count('major')
}

// Where a reply lives on in something that is itself garbage, as in the table that a cleared Map leaves behind, there are
// a dozen and more (docs/decisions/0002-memory-under-load.md).
it('what requests leave behind dies young, after a crowd and while they wait for a connection', async () => {
  app = await startRawUpstream((socket) => {
    socket.on('data', (bytes) => socket.write(REPLY.repeat(bytes.toString('latin1').split('\r\n\r\n').length - 1)))
  })
  proxy = await startProxyProcess(app.url, {
    UPSTREAM_CONNECTIONS_LIMIT: '8',
    UPSTREAM_QUEUE_TIMEOUT_MS: '60000',
    ACCESS_LOG: 'errors',
  })
  const { origin, admin } = proxy
  await load(origin, 500, 10_000)
  await load(origin, 32, 5_000)
  const before = await majorCollections(admin)
  await load(origin, 32, 80_000)
  expect((await majorCollections(admin)) - before).toBeLessThan(5)
}, 120_000)
