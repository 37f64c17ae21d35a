import { expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { quietLog } from '#shared/testing/redis-guards.ts'
import { sendSteadily } from '#shared/testing/steady-requests.ts'
import { startProxy } from '../../testing/start-proxy.ts'
import { startRawUpstream } from '../../testing/start-upstream.ts'
import { initialPolicy } from './policy-file.ts'
import { PolicyStore } from './policy-store.ts'

it('while 200 policies, good and bad, are applied, each request obeys one of them from its beginning to its end', async () => {
  const app = await startRawUpstream((socket) => {
    // Late, so that policies change while requests are under way.
    socket.on('data', () => setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 5))
  })
  const store = new PolicyStore(await initialPolicy(undefined), undefined, quietLog)
  const proxy = await startProxy(app.url, {}, store)

  const applyAll = async () => {
    for (let i = 0; i < 200; i++) {
      const next = store.newestVersion + 1
      // Whose only route is called after the version: a half of one and a half of another would show.
      const document =
        i % 2 === 0 ? { routes: { [`v${next}`]: { match: { path: '/listings/:id' } } } } : { surprise: i }
      expect((await store.apply(store.newestVersion, document, { author: 'test' })).kind).toBe(
        i % 2 === 0 ? 'applied' : 'invalid',
      )
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const [{ requests, failed }] = await Promise.all([
    sendSteadily(proxy.origin, { requestsPerSecond: 1_000, connections: 40, forMs: 2_500 }),
    applyAll(),
  ])

  expect(failed).toBe(0)
  const linesOf = () => proxy.lines.filter(({ path }) => path === '/listings/42')
  await eventually('each has its line', () => linesOf().length === requests)
  const lines = linesOf()
  for (const { route, policyVersion } of lines) {
    expect(route).toBe(policyVersion === 0 ? undefined : `v${String(policyVersion)}`)
  }
  expect(new Set(lines.map(({ policyVersion }) => policyVersion)).size).toBeGreaterThan(20)
  await proxy.close()
  await app.close()
}, 60_000)
