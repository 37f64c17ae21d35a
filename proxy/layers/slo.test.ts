import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { VERDICTS } from '../slo/verdict.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy, type TestProxy } from '../testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from '../testing/start-upstream.ts'

const recorded: unknown[] = []
const slo = {
  record: (operation: string, objective: string | undefined, verdict: number, latencyMs: number, thresholdMs = 0) => {
    expect(latencyMs).toBeGreaterThanOrEqual(0)
    recorded.push([operation, objective, VERDICTS[verdict], thresholdMs])
  },
}

let app: TestUpstream
let proxy: TestProxy
beforeAll(async () => {
  app = await startUpstream((request, response) => {
    request.resume()
    if (request.url?.startsWith('/silent') === true) return
    if (request.url === '/late') {
      const deadlineMs = Number(request.headers['x-request-deadline-ms'])
      setTimeout(() => response.writeHead(504).end(), deadlineMs / 2) // as an app does that ends in time
    } else if (request.url === '/cut')
      response.writeHead(200, { 'Content-Length': '10' }).write('half', () => response.destroy())
    else response.writeHead(Number(/\d+/.exec(request.url ?? '')?.[0] ?? 200)).end()
  })
  const policies = new TestPolicies({
    trustedProxies: { ranges: ['127.0.0.0/8'] },
    operations: { read: { breaker: false }, strict: { headersTimeoutMs: 100, breaker: false } },
    routes: {
      promised: { match: { path: '/promised/*' }, slo: 'reads' },
      limited: { match: { path: '/limited' }, limits: ['one'] },
      silent: { match: { path: '/silent' }, operation: 'strict' },
    },
    limits: { one: { requests: 1, perSeconds: 86_400 } },
    alerts: { burnRates: [] },
    slo: { objectives: { reads: { availability: 0.999, latency: { thresholdMs: 250, share: 0.99 } } } },
  })
  proxy = await startProxy(app.url, {}, policies, { slo })
})
afterAll(async () => {
  await proxy.close()
  await app.close()
})

const recordedOf = async (path: string, init: RequestInit = {}): Promise<unknown> => {
  recorded.length = 0
  await fetch(`${proxy.origin}${path}`, init)
    .then((reply) => reply.text())
    .catch(() => undefined) // a reply that is cut, or a client that leaves
  await eventually('it is recorded', () => recorded.length > 0)
  return recorded.length === 1 ? recorded[0] : recorded
}

describe('an exchange counts', () => {
  it.each([
    ['/200', 'good'],
    ['/404', 'good'],
    ['/500', 'upstream'],
    ['/cut', 'cut'],
  ])('%s as %s', async (path, verdict) => {
    expect(await recordedOf(path)).toEqual(['read', undefined, verdict, 0])
  })

  it('by its operation, and by what is promised of its route', async () => {
    expect(await recordedOf('/promised/200')).toEqual(['read', 'reads', 'good', 250])
    expect(await recordedOf('/promised/503', { method: 'POST' })).toEqual(['write', 'reads', 'upstream', 250])
  })

  it('as timeout where the app says nothing in time', async () => {
    expect(await recordedOf('/silent')).toEqual(['strict', undefined, 'timeout', 0])
  })

  it('as refused where the client has asked too much, or had less patience than is promised', async () => {
    expect(await recordedOf('/limited')).toEqual(['read', undefined, 'good', 0])
    expect(await recordedOf('/limited')).toEqual(['read', undefined, 'refused', 0])
    const impatient = { headers: { 'X-Request-Deadline-Ms': '300' } }
    expect(await recordedOf('/late', impatient)).toEqual(['read', undefined, 'refused', 0])
  })

  it('as the client’s leaving', async () => {
    const signal = AbortSignal.timeout(50)
    expect(await recordedOf('/silently', { signal })).toEqual(['read', undefined, 'client-abort', 0])
  })

  it('for nothing where it was for Sidegate itself', async () => {
    await (await fetch(`${proxy.origin}/__sidegate/health/ready`)).text()
    expect(await recordedOf('/200')).toEqual(['read', undefined, 'good', 0]) // and nothing else
  })
})
