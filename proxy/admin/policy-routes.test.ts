import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { sendSteadily } from '#shared/testing/steady-requests.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { ADMIN_TOKEN, type AdminAnswer, type AdminRequest, askAdmin } from '../testing/ask-admin.ts'
import { policyFile } from '../testing/policy-file.ts'
import { type ProxyProcess, spawnProxy, startProxyProcess } from '../testing/proxy-process.ts'
import { startRawUpstream, type TestUpstream } from '../testing/start-upstream.ts'

const proxies: ProxyProcess[] = []
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const { child } of proxies.splice(0)) {
    child.process.kill('SIGKILL')
    await child.exited()
  }
  for (const close of closing.splice(0)) await close()
})

const startApp = async (): Promise<TestUpstream> => {
  const app = await startRawUpstream((socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  closing.push(() => app.close())
  return app
}

const startProxy = async (environment: Record<string, string> = {}, appUrl?: string): Promise<ProxyProcess> => {
  const proxy = await startProxyProcess(appUrl ?? (await startApp()).url, { ADMIN_TOKEN, ...environment })
  proxies.push(proxy)
  return proxy
}

const ask = ({ admin }: ProxyProcess, method: string, path: string, request?: AdminRequest): Promise<AdminAnswer> =>
  askAdmin(admin, method, path, request)

const put = (proxy: ProxyProcess, body: unknown, ifMatch?: string) =>
  ask(proxy, 'PUT', '/api/policy', { body, ...(ifMatch !== undefined && { headers: { 'If-Match': ifMatch } }) })

const limit = (requests: number) => ({ limits: { l: { requests, perSeconds: 1 } } })

describe('the policy of one process', () => {
  it('is read, changed as JSON and as YAML, looked back at and gone back to', async () => {
    const proxy = await startProxy()
    expect(await ask(proxy, 'GET', '/api/policy')).toMatchObject({
      status: 200,
      etag: '"0"',
      body: { version: 0, policy: { routes: {}, blocking: { violations: 20 } } },
    })
    expect(await put(proxy, limit(5), '"0"')).toMatchObject({ status: 200, etag: '"1"', body: { version: 1 } })
    expect(await put(proxy, 'limits:\n  l: {requests: 6, perSeconds: 1}\n', '"1"')).toMatchObject({
      status: 200,
      body: { version: 2, differences: [{ path: 'limits.l.requests', from: 5, to: 6 }] },
    })
    expect(
      await ask(proxy, 'POST', '/api/policy/rollback', { body: { to: 1 }, headers: { 'If-Match': '"2"' } }),
    ).toMatchObject({ status: 200, body: { version: 3 } })
    const { body } = await ask(proxy, 'GET', '/api/policy')
    expect(body).toMatchObject({ version: 3, policy: { limits: { l: { requests: 5 } } } })
    const history = await ask(proxy, 'GET', '/api/policy/history')
    expect(history.body.versions.map(({ version }: { version: number }) => version)).toEqual([3, 2, 1, 0])
    expect(history.body.versions[1]).toMatchObject({ version: 2, author: 'ADMIN_TOKEN' })
    expect((await ask(proxy, 'GET', '/api/policy/history/2')).body).toMatchObject({ version: 2, document: limit(6) })
    expect((await ask(proxy, 'GET', '/api/policy/history/9')).status).toBe(404)
    expect((await ask(proxy, 'GET', '/api/policy/history/two')).body.detail).toMatch(/^version: expected the number/)
    expect((await ask(proxy, 'GET', '/api/status')).body.policy).toEqual({ version: 3 })
    const audit = await proxy.child.line(({ msg }) => msg === 'policy rolled back')
    expect(audit).toMatchObject({ audit: 'policy rolled back', author: 'ADMIN_TOKEN', policyVersion: 3 })
  })

  it('is not changed by who does not say from which version, or from an old one', async () => {
    const proxy = await startProxy()
    expect(await put(proxy, limit(5))).toMatchObject({
      status: 428,
      body: { detail: expect.stringContaining('If-Match') },
    })
    await put(proxy, limit(5), '"0"')
    expect(await put(proxy, limit(6), '"0"')).toMatchObject({
      status: 412,
      etag: '"1"',
      body: { detail: expect.stringContaining('Version 1 is the newest') },
    })
  })

  it('is not changed by what has problems: all of them are told', async () => {
    const proxy = await startProxy()
    const bad = { limits: { l: { requests: '5/s', perSeconds: 1 } }, blockings: {} }
    const problems = [
      { path: 'limits.l.requests', message: expect.stringContaining('expected a count') },
      { path: 'blockings', message: expect.stringContaining('is not part of a policy') },
    ]
    expect(await put(proxy, bad, '"0"')).toMatchObject({ status: 422, body: { problems } })
    expect(await ask(proxy, 'POST', '/api/policy/validate', { body: bad })).toMatchObject({
      status: 422,
      body: { problems },
    })
    expect(await put(proxy, 'limits: [', '"0"')).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('line 1, column') },
    })
    expect(await ask(proxy, 'POST', '/api/policy/validate', { body: limit(5) })).toMatchObject({
      status: 200,
      body: { isValid: true },
    })
    expect((await ask(proxy, 'GET', '/api/policy')).body.version).toBe(0)
  })

  it.each(['/api/policy', '/%61pi/policy', '/api/%70olicy', '/api/policy?x', '/api/policy/history', '/%61pi/status'])(
    'shows nothing at %s, and changes nothing, without the token',
    async (path) => {
      const proxy = await startProxy()
      for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'OPTIONS']) {
        const { status } = await fetch(`${proxy.admin}${path}`, {
          method,
          headers: { 'If-Match': '"0"', ...(method.startsWith('P') && { 'Content-Type': 'application/json' }) },
          ...(method.startsWith('P') && { body: '{}' }),
        })
        expect([401, 404], `${method} ${path}`).toContain(status)
      }
      expect((await ask(proxy, 'GET', '/api/policy')).body.version).toBe(0)
    },
  )

  it('is for who has the token, and no page of another origin', async () => {
    const proxy = await startProxy()
    expect(await ask(proxy, 'GET', '/api/policy', { token: 'wrong' })).toMatchObject({
      status: 401,
    })
    expect(
      await ask(proxy, 'PUT', '/api/policy', {
        body: limit(5),
        headers: { Origin: 'https://evil.example', 'If-Match': '"0"' },
      }),
    ).toMatchObject({ status: 403 })
    const own = { Origin: proxy.admin, 'If-Match': '"0"' }
    expect(await ask(proxy, 'PUT', '/api/policy', { body: limit(5), headers: own })).toMatchObject({ status: 200 })
  })

  it('shows no webhook’s URL', async () => {
    const proxy = await startProxy()
    await put(proxy, { alerts: { webhooks: [{ kind: 'slack', url: 'https://hooks.example/very-secret' }] } }, '"0"')
    const shown = await Promise.all(
      ['/api/policy', '/api/policy/history', '/api/policy/history/1'].map((path) => ask(proxy, 'GET', path)),
    )
    expect(JSON.stringify(shown)).not.toContain('very-secret')
    expect(JSON.stringify(proxy.child.lines)).not.toContain('very-secret')
  })
})

describe('a document that is made to cost much', () => {
  const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
  const many = (count: number, entry: (index: number) => [string, unknown]) =>
    Object.fromEntries(Array.from({ length: count }, (_none, index) => entry(index)))

  it.each<[string, unknown, RegExp]>([
    [
      'too many routes',
      { routes: many(1_001, (index) => [`r${index}`, { match: { path: `/${index}` } }]) },
      /at most 1000/,
    ],
    [
      'many references to what there is not among many',
      {
        limits: many(900, (index) => [`${'l'.repeat(50)}${index}`, { requests: 1, perSeconds: 1 }]),
        routes: many(900, (index) => [`r${index}`, { match: { path: `/${index}` }, limits: Array(8).fill('none') }]),
      },
      /there is no "none" in limits .* and 880 more/,
    ],
    [
      'many methods',
      {
        routes: { a: { match: { path: '/', methods: Array.from({ length: 21 }, (_none, i) => `M${'A'.repeat(i)}`) } } },
      },
      /at most 20 methods/,
    ],
    ['a hidden name', 'routes:\n  __proto__: {match: {path: /}}\n', /__proto__.*is not part of a policy/],
  ])('is refused in few words: %s', async (_what, body, message) => {
    const proxy = await startProxy()
    const { status, body: reply } = await ask(proxy, 'POST', '/api/policy/validate', { body })
    expect(status).toBe(422)
    expect(reply.problems.length).toBeLessThanOrEqual(501)
    expect(
      reply.problems.map(({ path, message: text }: { path: string; message: string }) => `${path} ${text}`).join(),
    ).toMatch(message)
  })

  it('is refused however deep it is, also while there are secrets to be kept', async () => {
    const proxy = await startProxy()
    await put(proxy, { alerts: { webhooks: [{ kind: 'slack', url: 'https://hooks.example/very-secret' }] } }, '"0"')
    const reply = await fetch(`${proxy.admin}/api/policy/validate`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, 'Content-Type': 'application/json' },
      body: `{"alerts": {"webhooks": ${nested(100_000)}}, "routes": ${nested(100_000)}}`,
    })
    expect(reply.status).toBe(422)
  })
})

it('a policy that was read can be sent back: masks stand for what they hide', async () => {
  const proxy = await startProxy()
  const webhooks = ['one', 'two'].map((name) => ({ kind: 'slack', url: `https://hooks.example/${name}` }))
  await put(proxy, { alerts: { webhooks } }, '"0"')
  const { policy } = (await ask(proxy, 'GET', '/api/policy')).body
  expect(policy.alerts.webhooks[0].url).toMatch(/^\[masked [0-9a-f]{8}\]$/)
  expect(await put(proxy, policy, '"1"')).toMatchObject({ status: 200, body: { differences: [] } })
  policy.alerts.webhooks.reverse()
  const reversed = (await put(proxy, policy, '"2"')).body.differences
  expect(reversed.map(({ path }: { path: string }) => path)).toEqual(['alerts.webhooks.0.url', 'alerts.webhooks.1.url'])
  policy.alerts.webhooks[0].url = '[masked 00000000]'
  expect((await put(proxy, policy, '"3"')).body.problems).toMatchObject([{ path: 'alerts.webhooks.0.url' }])
})

describe('the policy of a fleet', () => {
  it('is one, also for who is started later, and after all have ended', async () => {
    const redis = await new RedisProcess(await freePort()).start()
    closing.push(() => redis.close())
    const app = await startApp()
    const [one, other] = [
      await startProxy({ REDIS_URL: redis.url }, app.url),
      await startProxy({ REDIS_URL: redis.url }, app.url),
    ]
    await put(one, limit(5), '"0"')
    await eventually('the other has it', async () => (await ask(other, 'GET', '/api/policy')).body.version === 1)
    expect(await put(other, limit(6), '"0"')).toMatchObject({ status: 412 })
    const late = await startProxy({ REDIS_URL: redis.url }, app.url)
    expect((await ask(late, 'GET', '/api/policy')).body).toMatchObject({ version: 1, policy: limit(5) })
  })

  const startWorkers = async (environment: Record<string, string> = {}): Promise<ProxyProcess> => {
    const child = spawnProxy({
      ...{ UPSTREAM_URL: (await startApp()).url, WORKERS: '2', ADMIN_TOKEN, DRAIN_DELAY_MS: '0' },
      ...{ HOST: '127.0.0.1', PORT: String(await freePort()), ADMIN_HOST: '127.0.0.1', ADMIN_PORT: '0' },
      ...environment,
    })
    const line = await child.line(({ msg }) => msg === 'proxy runs workers')
    const { port } = line.admin as { port: number }
    const proxy = { child, origin: '', admin: `http://127.0.0.1:${port}` }
    proxies.push(proxy)
    return proxy
  }

  it('is that of all workers of a process', async () => {
    const redis = await new RedisProcess(await freePort()).start()
    closing.push(() => redis.close())
    const proxy = await startWorkers({ REDIS_URL: redis.url })
    expect(await put(proxy, limit(5), '"0"')).toMatchObject({ status: 200 })
    await eventually('both workers have it', async () => {
      const { workers } = (await ask(proxy, 'GET', '/api/status')).body
      return (
        workers.length === 2 && workers.every((worker: { policy: { version: number } }) => worker.policy.version === 1)
      )
    })
  })

  it('is not for several workers with nothing to agree by', async () => {
    const proxy = await startWorkers()
    expect(await put(proxy, limit(5), '"0"')).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('REDIS_URL') },
    })
  })
})

it('no request fails while 200 policies, good and bad, are put', async () => {
  const proxy = await startProxy()
  const putAll = async (): Promise<number> => {
    let version = 0
    for (let i = 0; i < 200; i++) {
      const { status } = await put(proxy, i % 2 === 0 ? limit(i + 1) : { surprise: i }, `"${version}"`)
      if (status === 200) version++
      else expect(status).toBe(422)
    }
    return version
  }
  const [{ requests, failed }, version] = await Promise.all([
    sendSteadily(proxy.origin, { requestsPerSecond: 1_000, connections: 20, forMs: 3_000 }),
    putAll(),
  ])
  expect(version).toBe(100)
  expect(failed).toBe(0)
  expect(requests).toBeGreaterThan(1_000)
})

describe('POLICY_FILE', () => {
  it('is in force from the start', async () => {
    const file = await policyFile('limits:\n  l: {requests: 5, perSeconds: 1}\n')
    const proxy = await startProxy({ POLICY_FILE: file })
    expect((await ask(proxy, 'GET', '/api/policy')).body).toMatchObject({ version: 0, policy: limit(5) })
    expect((await ask(proxy, 'GET', '/api/policy/history')).body.versions).toMatchObject([{ version: 0, author: file }])
  })

  it.each<[string, () => Promise<string>, RegExp]>([
    [
      'that is not there',
      async () => '/nowhere/policy.yaml',
      /POLICY_FILE: ENOENT.*name a file that this user may read/,
    ],
    [
      'with problems',
      () => policyFile('routs: {}\nblocking: {growth: 0}'),
      /policy\.yaml: blocking\.growth: expected a factor[\s\S]*policy\.yaml: routs: is not part/,
    ],
    ['that is no YAML', () => policyFile('a: ['), /policy\.yaml: line 1, column/],
  ])('%s stops the start, with every problem', async (_what, file, message) => {
    const child = spawnProxy({
      UPSTREAM_URL: 'http://127.0.0.1:1',
      PORT: '0',
      ADMIN_PORT: '0',
      POLICY_FILE: await file(),
    })
    expect(await child.exited()).toBe(78)
    expect(child.stderr()).toMatch(message)
  })
})
