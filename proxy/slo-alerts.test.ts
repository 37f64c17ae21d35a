import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { proxyNode } from './node-options.ts'
import { askAdmin } from './testing/ask-admin.ts'
import { operatedProxy, ownRedis, statusApp } from './testing/operated-proxy.ts'
import { policyFile } from './testing/policy-file.ts'
import { SECRET_PATH, startWebhook } from './testing/start-webhook.ts'

const policyTelling = (url: string): string => `
operations: {read: {breaker: false}}
routes: {all: {match: {path: '/*'}, slo: reads}}
slo: {objectives: {reads: {availability: 0.9, windowDays: 1}}}
alerts:
  burnRates: [{factor: 2, longSeconds: 3600, shortSeconds: 300}]
  minimumEvents: 10
  webhooks: [{kind: alertmanager, url: '${url}'}]
`

describe('who is to be told of what burns', () => {
  it('is told once by the fleet, and not anew when the leader is killed', async () => {
    const [redis, webhook] = [await ownRedis(), await startWebhook(500)]
    const environment = {
      ...{ REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000', POLICY_FILE: await policyFile(policyTelling(webhook.url)) },
      ...{ ADMIN_PUBLIC_URL: 'https://sidegate.example.com/', SIDEGATE_SERVICE: 'shop' },
    }
    const app = await statusApp()
    const proxies = [await operatedProxy(app, environment), await operatedProxy(app, environment)]
    const bad = await Promise.all(
      proxies.flatMap(({ origin }) => Array.from({ length: 10 }, () => fetch(`${origin}/500`))),
    )
    const ids = bad.map(({ headers }) => headers.get('x-request-id'))
    await eventually('it is tried', () => webhook.seen.length > 0)
    for (const { admin } of proxies) {
      const { body } = await askAdmin(admin, 'GET', '/api/slo')
      expect(body.alerts).toMatchObject([{ objective: 'reads', promise: 'availability', factor: 2 }])
      expect(body.notifications).toMatchObject([
        { webhook: { kind: 'alertmanager', host: webhook.host }, change: 'fires' },
      ])
      expect(JSON.stringify(body)).not.toContain(SECRET_PATH)
    }
    webhook.answer = 200
    const leader =
      proxies.find(({ child }) => child.lines.some(({ msg }) => msg === 'slo alert fires')) ?? expect.fail()
    const other = proxies.find((proxy) => proxy !== leader) ?? expect.fail()
    const waiting = async () => (await askAdmin(other.admin, 'GET', '/api/slo')).body.notifications
    await eventually('it is accepted', async () => (await waiting()).length === 0)
    const told = webhook.seen.length
    const [alert] = webhook.seen[0].alerts
    expect(alert).toMatchObject({
      labels: { service: 'shop' },
      annotations: { causes: 'upstream 20', dashboard: 'https://sidegate.example.com/' },
    })
    const examples: string[] = alert.annotations.examples.split(' ')
    expect(examples).toHaveLength(5)
    for (const id of examples) expect(ids).toContain(id)

    leader.child.process.kill('SIGKILL')
    await leader.child.exited()
    await other.child.line(({ msg, task }) => msg === 'leads' && task === 'slo-alerts')
    await Promise.all(Array.from({ length: 300 }, () => fetch(`${other.origin}/200`)))
    // Two looks, ten seconds apart, after ten in which it hears from others.
    await vi.waitFor(() => expect(webhook.seen.length).toBeGreaterThan(told), { timeout: 80_000, interval: 100 })
    expect(webhook.seen.slice(told).map(({ status }) => status)).toEqual(['resolved'])
    expect(webhook.seen[told].alerts[0].startsAt).toBe(alert.startsAt)
    await eventually('nothing fires', async () => {
      const { alerts, notifications } = (await askAdmin(other.admin, 'GET', '/api/slo')).body
      return alerts.length === 0 && notifications.length === 0
    })
  }, 180_000)
})

it('what looks and tells is loaded once the policy promises something', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    let loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    const { openAlerts } = await import('./proxy/slo/alerts/open.ts')
    const { openSlo } = await import('./proxy/slo/open.ts')
    const { TestPolicies } = await import('./proxy/testing/policies.ts')
    const { quietLog: log } = await import('./shared/testing/redis-guards.ts')
    const policies = new TestPolicies({})
    const slo = openSlo(undefined, { id: 'one' }, log)
    loaded = []
    const alerting = openAlerts({ SIDEGATE_SERVICE: 'shop', WORKERS: 1 }, 'one', { redis: undefined, policies, slo: slo.slo }, log)
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    const before = [...loaded]
    policies.change({ slo: { objectives: { reads: { availability: 0.99 } } }, alerts: { burnRates: [] } })
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    console.log(JSON.stringify([before, loaded, await alerting.report()]))
    await alerting.close()
    await slo.close()`
  const flags = [...proxyNode.flags, '--input-type=module', '-e', script]
  const { stdout } = await promisify(execFile)(process.execPath, flags)
  const [before, after, report] = JSON.parse(stdout)
  expect(before).toEqual([])
  expect(after).toContainEqual(expect.stringContaining('/slo/alerts/alert-watch.ts'))
  expect(report).toEqual({ alerts: [], notifications: [] })
}, 60_000)
