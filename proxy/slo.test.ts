import { describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { ADMIN_TOKEN, askAdmin } from './testing/ask-admin.ts'
import { okApp, operatedProxy, operatedWorkers, ownRedis, statusApp } from './testing/operated-proxy.ts'
import { policyFile } from './testing/policy-file.ts'

const POLICY = `
operations: {read: {breaker: false}}
routes: {all: {match: {path: '/*'}, slo: reads}}
slo: {objectives: {reads: {availability: 0.9, latency: {thresholdMs: 60000, share: 0.9}, windowDays: 1}}}
alerts: {burnRates: [{factor: 2, longSeconds: 3600, shortSeconds: 300}], minimumEvents: 10}
`

const send = async (origin: string, status: number, times: number): Promise<void> => {
  for (let time = 0; time < times; time++) expect((await fetch(`${origin}/${status}`)).status).toBe(status)
}

describe('what is promised', () => {
  it('is told of the whole fleet, and known to who starts when all are gone', async () => {
    const redis = await ownRedis()
    const environment = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000', POLICY_FILE: await policyFile(POLICY) }
    const app = await statusApp()
    const [one, two] = [await operatedProxy(app, environment), await operatedProxy(app, environment)]
    const report = async (admin: string) => (await askAdmin(admin, 'GET', '/api/slo')).body
    expect((await report(one.admin)).objectives[0]).toMatchObject({
      availability: {
        events: 0,
        share: null,
        budgetLeft: null,
        burnRates: [{ long: { burn: null }, isExceeded: false }],
      },
    })
    await send(one.origin, 200, 12)
    await send(two.origin, 500, 8)
    const told = {
      name: 'reads',
      availability: {
        ...{ target: 0.9, events: 20, bad: 8, share: 0.6, budgetLeft: expect.closeTo(-3) },
        burnRates: [
          { factor: 2, long: { events: 20, burn: expect.closeTo(4) }, short: { events: 20 }, isExceeded: true },
        ],
      },
      latency: { events: 12, bad: 0, share: 1, budgetLeft: 1 },
    }
    for (const { admin } of [one, two]) {
      await eventually('it is told', async () => (await report(admin)).objectives[0].availability.events === 20)
      const { objectives, traffic } = await report(admin)
      expect(objectives).toMatchObject([told])
      expect(traffic.all[0]).toMatchObject({
        windowSeconds: 300,
        good: 12,
        bad: 8,
        verdicts: { good: 12, upstream: 8 },
      })
      expect(traffic.operations.map(({ name }: { name: string }) => name)).toEqual(['read', 'write'])
    }
    const metrics = await (await fetch(`${two.admin}/metrics`)).text()
    expect(metrics).toMatch(/^sidegate_operation_exchanges_total\{operation="read",verdict="upstream",.*\} 8$/m)
    expect(metrics).toMatch(/^sidegate_objective_exchanges_total\{objective="reads",verdict="upstream",.*\} 8$/m)
    expect(metrics).toMatch(/^sidegate_objective_slow_total\{objective="reads",.*\} 0$/m)
    one.child.process.kill('SIGTERM')
    two.child.process.kill('SIGKILL')
    await Promise.all([one.child.exited(), two.child.exited()])
    const three = await operatedProxy(app, environment)
    await eventually('it is known', async () => (await report(three.admin)).objectives[0].availability.events === 20)
    expect((await report(three.admin)).objectives).toMatchObject([told])
  }, 60_000)

  it('is told of all workers, by Redis; and without one it is said what is missing', async () => {
    const redis = await ownRedis()
    const environment = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000', POLICY_FILE: await policyFile(POLICY) }
    const { admin, origin } = await operatedWorkers(await statusApp(), environment)
    await send(origin, 200, 30)
    await eventually('it is told', async () => {
      const { body } = await askAdmin(admin, 'GET', '/api/slo')
      return body.traffic.all[0].good === 30
    })
    const alone = await operatedWorkers(await okApp())
    const reply = await fetch(`${alone.admin}/api/slo`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
    expect([reply.status, await reply.text()]).toEqual([503, expect.stringContaining('set REDIS_URL')])
  }, 60_000)
})
