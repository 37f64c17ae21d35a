import { describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { askAdmin } from '../testing/ask-admin.ts'
import { okApp, operatedProxy, operatedWorkers, ownRedis } from '../testing/operated-proxy.ts'
import type { ProxyProcess } from '../testing/proxy-process.ts'

/** Its requests come on connections of their own, so that all workers have some. */
const send = async ({ origin }: ProxyProcess, times: number): Promise<number[]> => {
  const statuses: number[] = []
  for (let time = 0; time < times; time++) {
    const reply = await fetch(origin, { headers: { Connection: 'close' } })
    await reply.text()
    statuses.push(reply.status)
  }
  return statuses
}

const candidate = {
  routes: { all: { match: { path: '/*' }, limits: ['l'] } },
  limits: { l: { requests: 4, perSeconds: 3_600, announce: false } },
}

const reportOf = async ({ admin }: ProxyProcess) => (await askAdmin(admin, 'GET', '/api/policy/shadow')).body.shadow

describe('a candidate in shadow', () => {
  it('is begun, told of, and ended', async () => {
    const proxy = await operatedProxy(await okApp())
    const { admin, child } = proxy
    expect(await reportOf(proxy)).toBeNull()
    expect((await askAdmin(admin, 'DELETE', '/api/policy/shadow')).status).toBe(404)
    const begun = await askAdmin(admin, 'PUT', '/api/policy/shadow', { body: candidate })
    expect(begun).toMatchObject({ status: 200, body: { shadow: { author: 'ADMIN_TOKEN', requests: 0 } } })
    expect(await send(proxy, 6)).toEqual(Array(6).fill(200))
    const report = {
      ...{ requests: 6, wouldRefuse: [{ route: 'all', refusal: 'rate-limited', count: 2 }] },
      ...{ wouldAdmit: [], wouldChange: [], rerouted: [{ from: null, to: 'all', count: 6 }] },
    }
    expect(await reportOf(proxy)).toMatchObject(report)
    const status = (await askAdmin(admin, 'GET', '/api/status')).body
    expect(status).toMatchObject({ policy: { version: 0 }, shadow: report })
    expect((await askAdmin(admin, 'DELETE', '/api/policy/shadow')).status).toBe(204)
    expect(await reportOf(proxy)).toBeNull()
    expect((await askAdmin(admin, 'GET', '/api/status')).body).not.toHaveProperty('shadow')
    expect(child.lines.flatMap(({ audit }) => audit ?? [])).toEqual(['shadow begun', 'shadow ended'])
  })

  it('is not begun where it has problems: all of them are told', async () => {
    const proxy = await operatedProxy(await okApp())
    const { status, body } = await askAdmin(proxy.admin, 'PUT', '/api/policy/shadow', { body: 'a: 1\nb: 2' })
    expect([status, body.problems.length]).toEqual([422, 2])
    expect(await reportOf(proxy)).toBeNull()
  })

  it('is held against the traffic of the whole fleet, also of who comes later, and survives all of it', async () => {
    const redis = await ownRedis()
    const app = await okApp()
    const environment = { REDIS_URL: redis.url }
    const one = await operatedProxy(app, environment)
    const other = await operatedProxy(app, environment)
    await askAdmin(one.admin, 'PUT', '/api/policy/shadow', { body: candidate })
    await eventually('the other knows it', async () => (await reportOf(other)) !== null)
    await send(one, 6)
    await send(other, 3)
    const late = await operatedProxy(app, environment)
    await send(late, 1)
    for (const proxy of [one, other, late]) {
      await eventually('all is told', async () => (await reportOf(proxy)).requests === 10)
    }
    one.child.process.kill('SIGKILL')
    await one.child.exited()
    expect((await reportOf(late)).requests).toBe(10)
    expect((await askAdmin(other.admin, 'DELETE', '/api/policy/shadow')).status).toBe(204)
    await eventually('it has ended for all', async () => (await reportOf(late)) === null)
  })

  it('is held against the traffic of all workers', async () => {
    const redis = await ownRedis()
    const proxy = await operatedWorkers(await okApp(), { REDIS_URL: redis.url })
    await askAdmin(proxy.admin, 'PUT', '/api/policy/shadow', { body: candidate })
    await eventually('requests of both are told', async () => {
      await send(proxy, 10)
      return (await reportOf(proxy)).requests >= 30
    })
  })

  it('goes on without Redis, of each instance by itself, and is not begun without it', async () => {
    const redis = await ownRedis()
    const proxy = await operatedProxy(await okApp(), { REDIS_URL: redis.url })
    await askAdmin(proxy.admin, 'PUT', '/api/policy/shadow', { body: candidate })
    await redis.kill()
    expect(await send(proxy, 5)).toEqual(Array(5).fill(200))
    expect(await reportOf(proxy)).toMatchObject({
      requests: 5,
      note: expect.stringContaining('of this instance alone'),
    })
    expect((await askAdmin(proxy.admin, 'PUT', '/api/policy/shadow', { body: candidate })).status).toBe(503)
    expect((await askAdmin(proxy.admin, 'DELETE', '/api/policy/shadow')).status).toBe(503)
  })
})
