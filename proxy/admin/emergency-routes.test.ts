import { describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { askAdmin } from '../testing/ask-admin.ts'
import { okApp, operatedProxy, operatedWorkers, ownRedis } from '../testing/operated-proxy.ts'
import type { ProxyProcess } from '../testing/proxy-process.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const PATH = '/api/emergency'

const stateOf = async ({ admin }: ProxyProcess): Promise<string> => (await askAdmin(admin, 'GET', PATH)).body.state
const order = ({ admin }: ProxyProcess, body: unknown) => askAdmin(admin, 'PUT', PATH, { body })
const allAre = (state: string, proxies: readonly ProxyProcess[]) =>
  eventually(`all are in ${state}`, async () => (await Promise.all(proxies.map(stateOf))).every((one) => one === state))

/** On connections of their own, so that all workers have some. */
const statusesOf = async (url: string, times: number): Promise<Set<number>> => {
  const seen = new Set<number>()
  for (let time = 0; time < times; time++) {
    const reply = await fetch(url, { headers: { Connection: 'close' } })
    await reply.text()
    seen.add(reply.status)
  }
  return seen
}

interface Worker {
  readonly policy: { readonly version: number }
  readonly redis: { readonly isImpaired: boolean }
  readonly emergency: { readonly why: string }
}

const SHEDDING = `
routes: {report: {match: {path: /report}, priority: low}}
emergency: {challengeShare: 0}
`

/** Enters by five refused requests in a second, and knows no dwell. */
const EAGER = `
routes: {all: {match: {path: /*}, limits: [l]}}
limits: {l: {requests: 1, perSeconds: 3600}}
emergency: {violationsPerSecond: 5, minimumSeconds: 1}
`

const apply = async ({ admin }: ProxyProcess, policy: string): Promise<void> => {
  const { status } = await askAdmin(admin, 'PUT', '/api/policy?probation=none', {
    body: policy,
    headers: { 'If-Match': '"0"' },
  })
  expect(status).toBe(200)
}

describe('the emergency', () => {
  it('is told with its signals, and ordered, audited, and shown wherever one looks', async () => {
    const proxy = await operatedProxy(await okApp())
    const { admin, child, origin } = proxy
    await apply(proxy, SHEDDING)
    const calm = (await askAdmin(admin, 'GET', PATH)).body
    expect(calm).toMatchObject({ state: 'calm', mode: 'auto', isFleetTold: true, history: [] })
    expect(calm.signals).toMatchObject([
      { signal: 'violationsPerSecond', value: 0, enterAbove: 100, recoverAt: 50 },
      ...[{ signal: 'errorShare' }, { signal: 'busyShare' }, { signal: 'queueShare' }],
    ])
    const on = await order(proxy, { mode: 'on', reason: 'a drill', seconds: 600 })
    expect(on).toMatchObject({
      status: 200,
      body: { state: 'emergency', mode: 'on', by: 'ADMIN_TOKEN', why: 'a drill' },
    })
    expect([await statusesOf(`${origin}/report`, 1), await statusesOf(origin, 1)]).toEqual([
      new Set([503]),
      new Set([200]),
    ])
    expect((await askAdmin(admin, 'GET', PATH)).body.history).toMatchObject([{ state: 'emergency', why: 'a drill' }])
    expect((await askAdmin(admin, 'GET', '/api/status')).body.emergency).toMatchObject({
      state: 'emergency',
      mode: 'on',
    })
    const metrics = (await askAdmin(admin, 'GET', '/metrics')).body
    expect(metrics).toMatch(/^sidegate_emergency_state\{state="emergency",.*\} 1$/m)
    expect(metrics).toMatch(/^sidegate_emergency_state\{state="calm",.*\} 0$/m)
    expect(metrics).toMatch(/^sidegate_emergency_signal\{signal="busyShare",/m)
    expect((await order(proxy, { mode: 'off' })).body).toMatchObject({ state: 'calm', mode: 'off' })
    expect(await statusesOf(`${origin}/report`, 1)).toEqual(new Set([200]))
    expect((await order(proxy, { mode: 'auto' })).body).toMatchObject({ state: 'calm', mode: 'auto' })
    expect(child.lines.filter(({ audit }) => audit === 'emergency ordered')).toMatchObject([
      { mode: 'on', reason: 'a drill', seconds: 600, author: 'ADMIN_TOKEN', isFleetTold: true },
      ...[{ mode: 'off' }, { mode: 'auto' }],
    ])
    expect(child.lines.filter(({ msg }) => msg === 'emergency begins')).toMatchObject([
      { level: 'warn', why: 'a drill' },
    ])
  })

  it.each([
    [{}, 'mode'],
    [{ mode: 'maybe' }, 'on, off or auto'],
    [{ mode: 'on', seconds: 0 }, 'seconds'],
    [{ mode: 'auto', seconds: 5 }, 'seconds: is for on and off'],
    [{ mode: 'on', reason: '' }, 'reason'],
    [{ mode: 'on', until: 5 }, 'until'],
  ])('is not ordered by %j', async (body, named) => {
    const proxy = await operatedProxy(await okApp())
    expect(await order(proxy, body)).toMatchObject({ status: 400, body: { detail: expect.stringContaining(named) } })
    expect(await stateOf(proxy)).toBe('calm')
  })

  it('is that of the fleet, and of who is started later', async () => {
    const redis = await ownRedis()
    const app = await okApp()
    const environment = { REDIS_URL: redis.url }
    const proxies = [await operatedProxy(app, environment), await operatedProxy(app, environment)]
    await order(proxies[0] as ProxyProcess, { mode: 'on' })
    await allAre('emergency', proxies)
    for (const { child } of proxies) {
      child.process.kill('SIGKILL')
      await child.exited()
    }
    const later = await operatedProxy(app, environment)
    expect(await stateOf(later)).toBe('emergency')
    expect((await askAdmin(later.admin, 'GET', PATH)).body).toMatchObject({ mode: 'on', isFleetTold: true })
  })

  it('begins by itself when requests are refused, for the whole fleet, and ends by itself', async () => {
    const redis = await ownRedis()
    const app = await okApp()
    const environment = { REDIS_URL: redis.url }
    const one = await operatedProxy(app, environment)
    const other = await operatedProxy(app, environment)
    await apply(one, EAGER)
    await statusesOf(one.origin, 100)
    await allAre('emergency', [one, other])
    expect((await askAdmin(other.admin, 'GET', PATH)).body).toMatchObject({
      by: 'sidegate',
      why: expect.stringMatching(/^signals are high: violationsPerSecond \d/),
    })
    await allAre('calm', [one, other])
    const { history } = (await askAdmin(other.admin, 'GET', PATH)).body
    expect(history.map(({ state }: { state: string }) => state)).toEqual(['calm', 'recovering', 'emergency'])
  })

  it('begins by itself when the app fails, and not by what is refused in its place', async () => {
    let asked = 0
    // Less than opens the circuit: behind that, failures tell of nothing.
    const app = await startUpstream((_request, response) => response.writeHead(asked++ % 3 === 0 ? 500 : 200).end())
    const proxy = await operatedProxy(app.url)
    await apply(proxy, `emergency: {minimumRequests: 50, shed: low-and-normal}`)
    await statusesOf(proxy.origin, 60)
    await allAre('emergency', [proxy])
    expect((await askAdmin(proxy.admin, 'GET', PATH)).body.why).toMatch(/^signals are high: errorShare 0\.33/)
    expect(await statusesOf(proxy.origin, 5)).toEqual(new Set([503]))
    await app.close()
  })

  it('is ordered without Redis, too, by all workers, and the fleet is told afterwards', async () => {
    const redis = await ownRedis()
    const app = await okApp()
    const environment = { REDIS_URL: redis.url }
    const proxy = await operatedWorkers(app, environment)
    const other = await operatedProxy(app, environment)
    await apply(proxy, SHEDDING)
    const isSoForAll = async (holds: (worker: Worker) => boolean): Promise<boolean> => {
      const { workers } = (await askAdmin(proxy.admin, 'GET', '/api/status')).body
      return workers.length === 2 && workers.every(holds)
    }
    await eventually('all have the policy', () => isSoForAll(({ policy }) => policy.version === 1))
    redis.freeze()
    await eventually('it is missed', () => isSoForAll(({ redis: { isImpaired } }) => isImpaired))
    expect((await order(proxy, { mode: 'on', reason: 'no Redis' })).body).toMatchObject({
      ...{ state: 'emergency', mode: 'on', isFleetTold: false },
    })
    await eventually('all workers shed', async () => {
      const seen = await statusesOf(`${proxy.origin}/report`, 20)
      return seen.size === 1 && seen.has(503)
    })
    expect(await stateOf(other)).toBe('calm')
    const first = await proxy.child.line(({ msg }) => msg === 'proxy listens')
    process.kill(Number(first.pid), 'SIGKILL')
    const isRestarted = ({ emergency }: Worker) => emergency.why === 'no Redis'
    await eventually('who takes its place does so, too', async () => {
      const listening = proxy.child.lines.filter(({ msg }) => msg === 'proxy listens')
      return listening.length === 3 && (await isSoForAll(isRestarted))
    })
    redis.thaw()
    await allAre('emergency', [proxy, other])
    await eventually('it is the fleet’s', async () => (await askAdmin(proxy.admin, 'GET', PATH)).body.isFleetTold)
    expect((await askAdmin(other.admin, 'GET', PATH)).body.history).toMatchObject([{ why: 'no Redis' }])
  })

  it('of several workers without Redis is each one’s own, and that is said', async () => {
    const proxy = await operatedWorkers(await okApp())
    expect((await askAdmin(proxy.admin, 'GET', PATH)).status).toBe(503)
    const { workers } = (await askAdmin(proxy.admin, 'GET', '/api/status')).body
    expect(workers.map(({ emergency }: { emergency: { state: string } }) => emergency.state)).toEqual(['calm', 'calm'])
  })
})
