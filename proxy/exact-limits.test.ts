import { afterEach, describe, expect, it } from 'vitest'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../deploy/local/ports.ts'
import type { SharedState } from './build.ts'
import type { Candidate } from './state/policy/policy-shadow.ts'
import { ShadowReport } from './state/policy/shadow-report.ts'
import { TestPolicies } from './testing/policies.ts'
import { rawClient } from './testing/raw-client.ts'
import { rawReplies, values } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream } from './testing/start-upstream.ts'

const redis = await redisOfFile()

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

let services = 0
/** What the app has been sent. */
let bodies: string[] = []

interface Instance {
  readonly proxy: TestProxy
  readonly guard: RedisGuard
}

const startApp = async (): Promise<string> => {
  bodies = []
  const app = await startUpstream((request, response) => {
    let body = ''
    request.on('data', (bytes) => {
      body += String(bytes)
    })
    request.on('end', () => {
      bodies.push(`${request.url} ${body}`)
      response.end('ok')
    })
  })
  opened.push(app)
  return app.url
}

/** Proxies that share Redis, each of them one of so many. */
const start = async (
  document: unknown,
  count = 3,
  server = redis,
  outside: Partial<SharedState> = {},
  /** Of Redis: a test that counts what it decides gives a busy machine time. */
  timeoutMs = 10_000,
): Promise<readonly [Instance, ...Instance[]]> => {
  const url = await startApp()
  const service = `exact-${services++}`
  const instances: Instance[] = []
  for (let index = 0; index < count; index++) {
    const guard = await connectedGuard(singleTarget(server.port), service, timeoutMs)
    opened.push(guard)
    const fleet = { size: count }
    const proxy = await startProxy(url, {}, new TestPolicies(document), { redis: guard, fleet, ...outside })
    opened.push(proxy)
    instances.push({ proxy, guard })
  }
  return instances as unknown as readonly [Instance, ...Instance[]]
}

const exactly = (requests: number, more: object = {}) => ({
  routes: { all: { match: { path: '/*' }, limits: ['l'] } },
  limits: { l: { requests, perSeconds: 86_400, exact: true, ...more } },
})

const status = async ({ proxy }: Instance, path = '/', init: RequestInit = {}): Promise<number> => {
  const reply = await fetch(`${proxy.origin}${path}`, init)
  await reply.arrayBuffer()
  return reply.status
}

const calls = ({ guard }: Instance) => guard.counts.calls.answered

describe('a limit that is exact', () => {
  it('admits just as many as it says, however requests are spread over instances at once', async () => {
    const instances = await start(exactly(20))
    const seen = await Promise.all(
      Array.from({ length: 90 }, (_, index) => status(instances[index % 3] as Instance, `/${index}`)),
    )
    expect(seen.filter((one) => one === 200)).toHaveLength(20)
    expect(seen.filter((one) => one === 429)).toHaveLength(70)
    expect(bodies).toHaveLength(20)
  })

  it('tells what is left of the fleet’s, and when to come again', async () => {
    const [one, two] = (await start(exactly(3))) as [Instance, Instance]
    const left: string[] = []
    for (const { proxy } of [one, two, one]) left.push((await fetch(proxy.origin)).headers.get('ratelimit') ?? '')
    expect(left.map((field) => field.replace(/t=\d+/, 't=…'))).toEqual(['"l";r=2;t=…', '"l";r=1;t=…', '"l";r=0;t=…'])
    const refused = await fetch(two.proxy.origin)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(28_000)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(28_800)
  })

  it('refuses without asking Redis whom it knows to be refused: a flood costs it nothing', async () => {
    const [one] = await start(exactly(1), 1)
    expect(await status(one)).toBe(200)
    const before = calls(one)
    for (let request = 0; request < 50; request++) expect(await status(one)).toBe(429)
    expect(calls(one) - before).toBeLessThan(40) // its flushes and probes
  })

  it('holds a request up with its body, and those that are pipelined behind it, in order', async () => {
    const [{ proxy }] = await start(exactly(3), 1)
    const client = await rawClient(proxy.port)
    const post = (path: string, body: string) =>
      `POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    client.send(
      `${post('/1', 'first')}${post('/2', 'x'.repeat(100_000))}${post('/3', 'third')}${post('/4', 'too many')}`,
    )
    client.send('GET /last HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')
    const replies = rawReplies(await client.closed())
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 429, 429])
    expect(values(replies[2] as (typeof replies)[number], 'ratelimit')[0]).toMatch(/r=0;/)
    expect(bodies.map((body) => body.slice(0, 9))).toEqual(['/1 first', '/2 xxxxxx', '/3 third'])
    expect(bodies[1]).toHaveLength(3 + 100_000)
  })

  it('of a client that leaves while Redis is asked lets nothing through to the app', async () => {
    const own = await new RedisProcess(await freePort()).start()
    opened.push(own)
    const [{ proxy }] = await start(exactly(3), 1, own, {}, 50)
    own.freeze()
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')
    await eventually('it is there', () => proxy.server.inFlight().requests === 1)
    client.socket.destroy()
    const line = await proxy.line(({ msg, outcome }) => outcome !== undefined && msg !== '')
    expect(line).toMatchObject({ outcome: 'client-abort', status: 499 })
    own.thaw()
    expect(bodies).toEqual([])
  })
})

describe('beside other limits', () => {
  const two = (exact: boolean) => ({
    routes: { all: { match: { path: '/*' }, limits: ['few', 'by-key'] } },
    limits: {
      few: { requests: 4, perSeconds: 86_400, exact: true },
      'by-key': { requests: 1, perSeconds: 86_400, exact, key: { by: 'header', name: 'X-Api-Key' } },
    },
  })

  it.each([
    ['is exact, too', true],
    ['is merged', false],
  ])('nothing of it is used up by a request that another refuses, which %s', async (_what, exact) => {
    const [one, other] = (await start(two(exact), 2)) as [Instance, Instance]
    const ask = (instance: Instance, key: string) => status(instance, '/', { headers: { 'X-Api-Key': key } })
    expect(await ask(one, 'a')).toBe(200)
    // The other has not heard that this key is used up, if it is exact: it asks for both, and gives one back.
    for (let time = 0; time < 3; time++) expect(await ask(exact && time === 0 ? other : one, 'a')).toBe(429)
    expect(await ask(one, 'b')).toBe(200)
    expect(await ask(one, 'c')).toBe(200)
    await eventually('it has been given back', async () => (await ask(one, `d${exact}`)) === 200)
    expect(await ask(one, 'e')).toBe(429)
  })
})

describe('while Redis is lost', () => {
  it('an exact limit is this instance’s share, at once, and afterwards what was used counts', async () => {
    const own = await new RedisProcess(await freePort()).start()
    opened.push(own)
    const instances = (await start(exactly(9), 3, own, {}, 50)) as [Instance, Instance, Instance]
    own.freeze()
    await eventually('the circuits are open', () => instances.every(({ guard }) => guard.isImpaired))
    const skipped = instances[0].guard.counts.calls
    const before = { ...skipped }
    for (const instance of instances) {
      const seen: number[] = []
      for (let request = 0; request < 4; request++) seen.push(await status(instance))
      expect(seen).toEqual([200, 200, 200, 429])
    }
    expect(skipped.timeout - before.timeout).toBeLessThan(4) // probes: no request has waited
    own.thaw()
    await eventually('all is well', () => instances.every(({ guard }) => !guard.isImpaired))
    await eventually('what was used is known', async () =>
      String((await own.command(['KEYS', '*:limit:*']))[0]).includes('limit'),
    )
    for (const instance of instances) expect(await status(instance)).toBe(429)
  })

  it('a request that was being decided is decided by the share', async () => {
    const own = await new RedisProcess(await freePort()).start()
    opened.push(own)
    const [one] = await start(exactly(9), 3, own, {}, 50)
    own.freeze()
    const seen = await Promise.all(Array.from({ length: 6 }, () => status(one)))
    own.thaw()
    expect(seen.filter((each) => each === 200)).toHaveLength(3)
  })
})

it('a candidate in shadow decides exact limits by what is known, and asks nobody', async () => {
  const shadow: { current: Candidate | undefined } = { current: undefined }
  const [one] = await start({}, 1, redis, { shadow })
  const report = new ShadowReport()
  shadow.current = { policy: new TestPolicies(exactly(2)).active, report }
  const before = calls(one)
  for (let request = 0; request < 5; request++) expect(await status(one)).toBe(200)
  expect(report.told().sums.wouldRefuse).toBe(3)
  const [keys] = await redis.command(['KEYS', `sidegate:exact-${services - 1}:limit:*`])
  expect(keys).toEqual([])
  expect(calls(one) - before).toBeLessThan(5)
})

it('a candidate that is the same as what is in force finds nothing to do otherwise, also where others use the limit', async () => {
  const document = { ...exactly(6), limits: { l: { requests: 6, perSeconds: 86_400 } } }
  const shadow: { current: Candidate | undefined } = { current: undefined }
  const [one, other] = (await start(document, 2, redis, { shadow })) as [Instance, Instance]
  const report = new ShadowReport()
  shadow.current = { policy: new TestPolicies(document).active, report }
  for (const instance of [other, other, one]) {
    expect(await status(instance)).toBe(200)
    await instance.proxy.limits.flush()
  }
  const seen: number[] = []
  for (let request = 0; request < 6; request++) seen.push(await status(one))
  expect(seen).toEqual([200, 200, 200, 429, 429, 429])
  const { wouldRefuse, wouldAdmit } = report.told()
  expect({ wouldRefuse, wouldAdmit }).toEqual({ wouldRefuse: [], wouldAdmit: [] })
})
