import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { runCli } from './cli/testing/run-cli.ts'
import { ADMIN_TOKEN, askAdmin } from './testing/ask-admin.ts'
import { operatedProxy, operatedWorkers, ownRedis } from './testing/operated-proxy.ts'
import { policyFile } from './testing/policy-file.ts'
import { startUpstream } from './testing/start-upstream.ts'

const policyPurging = (cdnUrl?: string): string => {
  const purge = cdnUrl === undefined ? '' : `cdn: {purge: {provider: cloudflare, target: zone-1, url: '${cdnUrl}'}}`
  const route = "{match: {path: '/*'}, cache: {visibility: public, tags: [listings]}, stale: {keepSeconds: 600}}"
  return `routes: {all: ${route}}\n${purge}\n`
}

/** Cloudflare, which takes nothing until it is well. */
const startCdn = async () => {
  const cdn = { isWell: false, seen: [] as unknown[], url: '' }
  const server = createServer(async (request, response) => {
    const body = JSON.parse(await text(request))
    const isTaken = cdn.isWell && request.headers.authorization === 'Bearer a-credential-of-ours'
    if (isTaken) cdn.seen.push({ path: request.url, body })
    response.writeHead(isTaken ? 200 : 503).end(`{"success": ${isTaken}}`)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  cdn.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return cdn
}

/** An app that answers until it fails. */
const startApp = async () => {
  const app = { isFailing: false, url: '' }
  const upstream = await startUpstream(
    (_request, response) => void response.writeHead(app.isFailing ? 500 : 200).end('a page'),
  )
  onTestFinished(() => upstream.close())
  app.url = upstream.url
  return app
}

const statusOf = async (origin: string, path = '/page'): Promise<number> => (await fetch(`${origin}${path}`)).status

describe('a purge', () => {
  it('is carried out by all proxies when it is answered, and told to the CDN although who took it has died', async () => {
    const [redis, cdn, app] = [await ownRedis(), await startCdn(), await startApp()]
    const environment = {
      ...{ REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000', CDN_PURGE_TOKEN: 'a-credential-of-ours' },
      POLICY_FILE: await policyFile(policyPurging(cdn.url)),
    }
    const one = await operatedProxy(app.url, environment)
    const two = await operatedProxy(app.url, environment)
    for (const { origin } of [one, two]) expect(await statusOf(origin)).toBe(200)
    app.isFailing = true
    for (const { origin } of [one, two]) {
      await eventually('what is kept is served', async () => (await statusOf(origin)) === 200)
    }

    const environmentOfCli = { SIDEGATE_ADMIN_URL: one.admin, ADMIN_TOKEN }
    const { exit, stdout } = await runCli(['purge', '--tag', 'listings,others'], { environment: environmentOfCli })
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout: expect.stringMatching(
        /of +tag listings, others\n +by +ADMIN_TOKEN, .*\n +proxies +2 of 2\n +CDN +(waiting|retrying), /,
      ),
    })
    for (const { origin } of [one, two]) expect(await statusOf(origin)).toBe(500)

    await eventually('the CDN does not take it', async () => {
      const { stdout: told } = await runCli(['purge', /purge +(\S+)/.exec(stdout)?.[1] ?? ''], {
        environment: environmentOfCli,
      })
      return /CDN +retrying, attempts: \d+: 503/.test(told)
    })
    one.child.process.kill('SIGKILL')
    cdn.isWell = true
    const id = /purge +(\S+)/.exec(stdout)?.[1]
    const report = async () => (await askAdmin(two.admin, 'GET', `/api/purges/${id}`)).body
    await eventually('the other one has told the CDN', async () => (await report()).delivery.state === 'delivered')
    expect(cdn.seen).toEqual([{ path: '/zones/zone-1/purge_cache', body: { tags: ['listings', 'others'] } }])
    expect(two.child.lines.some(({ msg }) => msg === 'purge ordered')).toBe(false)
    expect(one.child.lines.find(({ audit }) => audit === 'purge ordered')).toMatchObject({
      author: 'ADMIN_TOKEN',
      kind: 'tag',
      count: 2,
    })
  }, 90_000)

  it('needs no Redis and no CDN: a proxy by itself carries it out', async () => {
    const app = await startApp()
    const { admin, origin } = await operatedProxy(app.url, { POLICY_FILE: await policyFile(policyPurging()) })
    for (const path of ['/a', '/b']) expect(await statusOf(origin, path)).toBe(200)
    app.isFailing = true
    const { status, body, headers } = await askAdmin(admin, 'POST', '/api/purges', {
      body: { urls: ['https://shop.example/a'] },
    })
    expect({ status, body }).toMatchObject({
      status: 202,
      body: { kind: 'url', soft: true, delivery: { state: 'local', attempts: 0 }, instances: { purged: 1, of: 1 } },
    })
    expect(headers.get('location')).toBe(`/api/purges/${body.id}`)
    expect([await statusOf(origin, '/a'), await statusOf(origin, '/b')]).toEqual([500, 200])
    await askAdmin(admin, 'POST', '/api/purges', { body: { everything: true, soft: false } })
    expect(await statusOf(origin, '/b')).toBe(500)
  })

  it('reaches each of several workers', async () => {
    const [redis, app] = [await ownRedis(), await startApp()]
    const environment = {
      REDIS_URL: redis.url,
      REDIS_TIMEOUT_MS: '1000',
      POLICY_FILE: await policyFile(policyPurging()),
    }
    const { admin } = await operatedWorkers(app.url, environment)
    await eventually('both are heard of', async () => {
      const { body } = await askAdmin(admin, 'POST', '/api/purges', { body: { tags: ['listings'] } })
      return body.instances.of === 2 && body.instances.purged === 2
    })
  })

  it.each([
    [{}, 'expected exactly one of urls, tags, prefixes and everything'],
    [{ tags: ['a'], everything: true }, 'expected exactly one of urls, tags, prefixes and everything'],
    [{ tags: [] }, 'expected a list of 1 to 500'],
    [{ tags: ['a b'] }, 'expected a tag of up to 1024 characters'],
    [{ urls: ['/listings'] }, 'expected an absolute URL without dot segments'],
    [{ urls: 'https://a.example/' }, 'expected a list of 1 to 500'],
    [{ everything: false }, 'expected true, or nothing at all'],
  ])('of %j is refused, with what would do', async (body, message) => {
    const { admin } = await operatedProxy('http://127.0.0.1:1')
    const reply = await askAdmin(admin, 'POST', '/api/purges', { body })
    expect(reply.status).toBe(400)
    expect(JSON.stringify(reply.body)).toContain(message)
  })

  it('that the CDN cannot do, or nobody has ordered, is refused', async () => {
    const path = await policyFile('cdn: {purge: {provider: fastly, target: service-1, url: "http://127.0.0.1:1"}}\n')
    const { admin } = await operatedProxy('http://127.0.0.1:1', { POLICY_FILE: path })
    expect(await askAdmin(admin, 'POST', '/api/purges', { body: { prefixes: ['https://a.example/b'] } })).toMatchObject(
      {
        status: 422,
        body: { detail: expect.stringContaining('give the routes a tag') },
      },
    )
    const unknown = '00000000-0000-4000-8000-000000000000'
    expect((await askAdmin(admin, 'GET', `/api/purges/${unknown}`)).status).toBe(404)
  })
})
