import { type IncomingMessage, get as request } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { ADMIN_TOKEN, askAdmin } from './testing/ask-admin.ts'
import { operatedProxy, ownRedis } from './testing/operated-proxy.ts'
import { policyFile } from './testing/policy-file.ts'
import { startUpstream } from './testing/start-upstream.ts'

const policySharing = (sharedBytes: number): string => {
  const route = "{match: {path: '/*'}, cache: {visibility: public, tags: [listings]}, stale: {keepSeconds: 600}}"
  return `routes: {all: ${route}}\nstale: {sharedBytes: ${sharedBytes}}\n`
}

/** As by the public's name: each proxy here has a port of its own, by which it would be another host. */
const get = async (origin: string, path: string) => {
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    request(`${origin}${path}`, { headers: { Host: 'shop.example' } }, resolve).on('error', reject)
  })
  return { status: reply.statusCode, text: await text(reply), headers: reply.headers }
}

it('a proxy that starts while the app is gone answers with what one has kept that was killed', async () => {
  const redis = await ownRedis()
  const app = await startUpstream((_request, response) => void response.end('a page'))
  const environment = {
    ...{ REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000', ADMIN_TOKEN },
    POLICY_FILE: await policyFile(policySharing(1_000_000)),
  }
  const one = await operatedProxy(app.url, environment)
  for (const path of ['/a', '/b']) expect((await get(one.origin, path)).status).toBe(200)
  await eventually('it is shared', async () => {
    const metrics = await (await fetch(`${one.admin}/metrics`)).text()
    return /sidegate_stale_shared_addresses_total\{direction="out".*\} 2/.test(metrics)
  })
  await app.close()
  one.child.process.kill('SIGKILL')
  await one.child.exited()

  const two = await operatedProxy(app.url, environment)
  expect(await get(two.origin, '/a')).toMatchObject({
    ...{ status: 200, text: 'a page' },
    headers: { age: expect.stringMatching(/^\d+$/), 'cache-status': expect.stringContaining('detail=unreachable') },
  })
  expect((await get(two.origin, '/c')).status).toBe(502)

  const { status } = await askAdmin(two.admin, 'POST', '/api/purges', { body: { tags: ['listings'] } })
  expect(status).toBe(202)
  const three = await operatedProxy(app.url, environment)
  for (const { origin } of [two, three]) expect((await get(origin, '/a')).status).toBe(502)
}, 90_000)

it('where the policy does not say so, nothing is shared', async () => {
  const redis = await ownRedis()
  const app = await startUpstream((_request, response) => void response.end('a page'))
  onTestFinished(() => app.close())
  const environment = {
    REDIS_URL: redis.url,
    REDIS_TIMEOUT_MS: '1000',
    POLICY_FILE: await policyFile(policySharing(0)),
  }
  const one = await operatedProxy(app.url, environment)
  expect((await get(one.origin, '/a')).status).toBe(200)
  one.child.process.kill('SIGTERM') // it would share what came last
  await one.child.exited()
  const two = await operatedProxy('http://127.0.0.1:1', environment)
  expect((await get(two.origin, '/a')).status).toBe(502)
})
