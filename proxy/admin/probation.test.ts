import { expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { askAdmin } from '../testing/ask-admin.ts'
import { okApp, operatedProxy, ownRedis } from '../testing/operated-proxy.ts'
import type { ProxyProcess } from '../testing/proxy-process.ts'

const send = async ({ origin }: ProxyProcess, times: number): Promise<Map<number, number>> => {
  const statuses = new Map<number, number>()
  for (let time = 0; time < times; time++) {
    const reply = await fetch(origin)
    await reply.text()
    statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
  }
  return statuses
}

/** An operator's mistake: an hour where a second was meant. */
const mistake = {
  routes: { all: { match: { path: '/*' }, limits: ['l'] } },
  limits: { l: { requests: 10, perSeconds: 3_600 } },
  probation: { minimumRequests: 100 },
}

const put = ({ admin }: ProxyProcess, query = '') =>
  askAdmin(admin, 'PUT', `/api/policy${query}`, { body: mistake, headers: { 'If-Match': '"0"' } })

const statusOf = async ({ admin }: ProxyProcess) => (await askAdmin(admin, 'GET', '/api/status')).body

it('a policy that makes requests fail is taken back in the whole fleet, by itself', async () => {
  const redis = await ownRedis()
  const app = await okApp()
  const one = await operatedProxy(app, { REDIS_URL: redis.url })
  const other = await operatedProxy(app, { REDIS_URL: redis.url })
  await eventually('they know one another', async () => (await statusOf(one)).fleetSize === 2)
  await send(one, 50)
  expect((await put(one)).status).toBe(200)
  expect((await statusOf(one)).policy).toMatchObject({ version: 1, probation: { base: 0, badShareBefore: 0 } })
  await eventually('the other has it', async () => (await statusOf(other)).policy.version === 1)
  // Neither sees a hundred requests by itself.
  for (const proxy of [one, other]) expect((await send(proxy, 60)).get(429)).toBeGreaterThan(40)
  for (const proxy of [one, other]) {
    await eventually('it has been taken back', async () => (await statusOf(proxy)).policy.version === 2)
    expect(await send(proxy, 30)).toEqual(new Map([[200, 30]]))
  }
  const [newest] = (await askAdmin(other.admin, 'GET', '/api/policy/history')).body.versions
  expect(newest).toMatchObject({
    ...{ version: 2, author: 'sidegate' },
    reason: expect.stringMatching(
      /^\d+(\.\d)? % of 1\d\d requests were refused or failed; before, it was 0 %: back to version 0$/,
    ),
  })
  const audits = [one, other].flatMap(({ child }) =>
    child.lines.filter(({ audit }) => String(audit).includes('by itself')),
  )
  expect(audits).toHaveLength(1)
})

it('is not, where the operator has said that it is meant', async () => {
  const proxy = await operatedProxy(await okApp(), {})
  expect((await put(proxy, '?probation=none')).status).toBe(200)
  expect((await statusOf(proxy)).policy).toEqual({ version: 1 })
  expect((await send(proxy, 300)).get(429)).toBe(290)
  // Longer than it takes to look.
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect((await statusOf(proxy)).policy).toEqual({ version: 1 })
})
