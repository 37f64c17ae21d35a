import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import type { CircuitReport } from '../state/circuits/circuits.ts'
import { type AdminAnswer, askAdmin } from '../testing/ask-admin.ts'
import { okApp, operatedProxy, operatedWorkers } from '../testing/operated-proxy.ts'
import { policyFile } from '../testing/policy-file.ts'
import type { ProxyProcess } from '../testing/proxy-process.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const PATH = '/api/circuits'

interface Listed extends CircuitReport {
  readonly instance: string
}

const list = async ({ admin }: ProxyProcess): Promise<Listed[]> => (await askAdmin(admin, 'GET', PATH)).body.circuits
const named = async (proxy: ProxyProcess, name: string): Promise<Listed[]> =>
  (await list(proxy)).filter((circuit) => circuit.name === name)
const order = ({ admin }: ProxyProcess, name: string, body: unknown): Promise<AdminAnswer> =>
  askAdmin(admin, 'PUT', `${PATH}/${name}`, { body })
const reset = ({ admin }: ProxyProcess, name: string): Promise<AdminAnswer> =>
  askAdmin(admin, 'POST', `${PATH}/${name}/reset`)

/** On connections of their own, so that all workers have some. */
const statusesOf = async ({ origin }: ProxyProcess, times: number, method = 'GET'): Promise<number[]> => {
  const seen: number[] = []
  for (let time = 0; time < times; time++) {
    const reply = await fetch(origin, { method, headers: { Connection: 'close' } })
    await reply.text()
    seen.push(reply.status)
  }
  return seen
}

const failingApp = async () => {
  const app = { status: 500 }
  const upstream = await startUpstream((_request, response) => response.writeHead(app.status).end())
  onTestFinished(() => upstream.close())
  return { app, url: upstream.url }
}

/** Two failures in a row, and a rest for as long as the test lasts. */
const POLICY = 'breaker: {consecutiveFailures: 2, openSeconds: 3600}'

describe('circuits', () => {
  it('are told with why, counted, and reset', async () => {
    const { app, url } = await failingApp()
    const proxy = await operatedProxy(url, { POLICY_FILE: await policyFile(POLICY) })
    expect(await list(proxy)).toMatchObject([
      { name: 'read', state: 'closed', mode: 'auto', admittedShare: 1, requests: 0, refused: 0 },
      { name: 'write', state: 'closed' },
    ])
    expect(await statusesOf(proxy, 4)).toEqual([500, 500, 503, 503])
    expect(await named(proxy, 'read')).toMatchObject([
      { state: 'open', mode: 'auto', cause: 'failures-in-a-row', admittedShare: 0, refused: 2 },
    ])
    expect((await askAdmin(proxy.admin, 'GET', '/api/status')).body.circuits).toMatchObject([{ state: 'open' }, {}])
    const metrics = (await askAdmin(proxy.admin, 'GET', '/metrics')).body
    expect(metrics).toMatch(/^sidegate_circuit_state\{operation="read",state="open",.*\} 1$/m)
    expect(metrics).toMatch(/^sidegate_circuit_state\{operation="read",state="closed",.*\} 0$/m)
    expect(metrics).toMatch(/^sidegate_circuit_state\{operation="write",state="closed",.*\} 1$/m)
    expect(metrics).toMatch(/^sidegate_circuit_changes_total\{operation="read",state="open",.*\} 1$/m)
    expect(metrics).toMatch(/^sidegate_circuit_refused_total\{operation="read",.*\} 2$/m)
    expect(metrics).toMatch(/^sidegate_upstream_retries_total\{result="sent",.*\} 0$/m)

    app.status = 200
    expect(await reset(proxy, 'read')).toMatchObject({
      ...{ status: 200, body: { name: 'read', order: 'reset', processes: 1 } },
    })
    expect(await statusesOf(proxy, 2)).toEqual([200, 200])
    expect(proxy.child.lines.filter(({ audit }) => audit !== undefined)).toMatchObject([
      { audit: 'circuit ordered', operation: 'read', order: 'reset', author: 'ADMIN_TOKEN' },
    ])
    expect(proxy.child.lines.filter(({ msg }) => msg.startsWith('circuit '))).toMatchObject([
      { msg: 'circuit opens', level: 'warn' },
      { msg: 'circuit is closed', level: 'info' },
      { msg: 'circuit ordered' },
    ])
  })

  it('are opened and closed by order, whatever the app does', async () => {
    const { app, url } = await failingApp()
    const proxy = await operatedProxy(url, { POLICY_FILE: await policyFile(POLICY) })
    expect((await order(proxy, 'read', { mode: 'closed', reason: 'a drill' })).status).toBe(200)
    expect(await statusesOf(proxy, 5)).toEqual([500, 500, 500, 500, 500])
    app.status = 200
    await order(proxy, 'read', { mode: 'open' })
    expect(await statusesOf(proxy, 2)).toEqual([503, 503])
    expect(await statusesOf(proxy, 1, 'POST')).toEqual([200])
    expect(await named(proxy, 'read')).toMatchObject([{ state: 'open', mode: 'open', cause: 'order' }])
    await order(proxy, 'read', { mode: 'auto' })
    expect(await named(proxy, 'read')).toMatchObject([{ state: 'half-open', mode: 'auto' }])
    expect(await statusesOf(proxy, 1)).toEqual([200])
    expect(await named(proxy, 'read')).toMatchObject([{ state: 'closing', mode: 'auto' }])
    expect(proxy.child.lines.filter(({ audit }) => audit === 'circuit ordered')).toMatchObject([
      { operation: 'read', order: 'closed', reason: 'a drill', author: 'ADMIN_TOKEN', processes: 1 },
      ...[{ order: 'open' }, { order: 'auto' }],
    ])
  })

  it('are ordered for a while, which the status tells, and left to themselves afterwards', async () => {
    const proxy = await operatedProxy(await okApp())
    const orderedAtMs = Date.now()
    expect((await order(proxy, 'read', { mode: 'open', seconds: 3600 })).status).toBe(200)
    const [told] = await named(proxy, 'read')
    expect(told).toMatchObject({ state: 'open', mode: 'open' })
    expect(Date.parse(told?.until as string)).toBeGreaterThanOrEqual(orderedAtMs + 3_600_000)
    await order(proxy, 'read', { mode: 'open', seconds: 1 })
    await eventually('it has ended', async () => (await named(proxy, 'read'))[0]?.mode === 'auto')
    const [left] = await named(proxy, 'read')
    expect([left?.state, left?.until]).toEqual(['half-open', undefined])
    expect(await statusesOf(proxy, 1)).toEqual([200])
    expect(proxy.child.lines.filter(({ audit }) => audit === 'circuit ordered')).toMatchObject([
      { seconds: 3600 },
      { seconds: 1 },
    ])
  })

  it('are ordered by nothing that is no order, and under no name that there is not', async () => {
    const proxy = await operatedProxy(await okApp())
    for (const [body, detail] of [
      [{}, 'mode'],
      [{ mode: 'half-open' }, 'open, closed or auto'],
      [{ mode: 'open', reason: '' }, 'reason'],
      [{ mode: 'open', seconds: 0 }, 'a whole number of seconds from 1'],
      [{ mode: 'auto', seconds: 5 }, 'auto has no end'],
      [{ mode: 'open', minutes: 5 }, 'minutes'],
    ] as const) {
      expect(await order(proxy, 'read', body)).toMatchObject({
        ...{ status: 400, body: { detail: expect.stringContaining(detail) } },
      })
    }
    const detail = 'There is no circuit "raed"; there are: read, write.'
    expect(await order(proxy, 'raed', { mode: 'open' })).toMatchObject({ status: 404, body: { detail } })
    expect(await reset(proxy, 'raed')).toMatchObject({ status: 404, body: { detail } })
    expect(await list(proxy)).toMatchObject([{ state: 'closed' }, { state: 'closed' }])
  })

  it('of several workers are each one’s own, and ordered together, for those that are started later too', async () => {
    const proxy = await operatedWorkers(await okApp())
    const states = async () => (await named(proxy, 'read')).map(({ state, mode }) => `${state} ${mode}`)
    expect(await states()).toEqual(['closed auto', 'closed auto'])
    expect((await order(proxy, 'read', { mode: 'open' })).body).toMatchObject({ processes: 2 })
    const areOpen = () => eventually('both are open', async () => String(await states()) === 'open open,open open')
    await areOpen()
    expect(new Set(await statusesOf(proxy, 20))).toEqual(new Set([503]))
    const first = await proxy.child.line(({ msg }) => msg === 'proxy listens')
    process.kill(Number(first.pid), 'SIGKILL')
    await eventually('another has taken its place', async () => {
      return proxy.child.lines.filter(({ msg }) => msg === 'proxy listens').length === 3
    })
    await areOpen()
    expect(new Set((await list(proxy)).map(({ instance }) => instance)).size).toBe(2)
    expect((await order(proxy, 'read', { mode: 'open', seconds: 3600 })).body).toMatchObject({ processes: 2 })
    await eventually('both know of an end', async () => (await named(proxy, 'read')).every(({ until }) => until))
    await reset(proxy, 'read')
    await eventually('both are closed', async () => String(await states()) === 'closed auto,closed auto')
    expect(new Set(await statusesOf(proxy, 20))).toEqual(new Set([200]))
  })
})
