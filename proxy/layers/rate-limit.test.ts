import { afterEach, describe, expect, it } from 'vitest'
import type { EmergencyReading, EmergencyState } from '../state/emergency/emergency-state.ts'
import { TestPolicies } from '../testing/policies.ts'
import { rawClient } from '../testing/raw-client.ts'
import { type RawReply, rawReplies, values } from '../testing/raw-replies.ts'
import { startProxy, type TestProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const opened: { close(): Promise<void> }[] = []
/** What both sides of a test take for the time. */
const clock = { nowMs: 1_000_000, wallMs: () => 0, monotonicMs: () => clock.nowMs }

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

/** A proxy before an app that says of its own limits what is not so, all but on `/fails`. */
const start = async (
  policies: TestPolicies,
  fleet = { size: 1 },
  environment: Readonly<Record<string, string>> = {},
  emergency: EmergencyReading = { state: 'calm' },
): Promise<TestProxy> => {
  const app = await startUpstream((request, response) => {
    if (request.url === '/fails') {
      response.destroy()
      return
    }
    response.setHeader('ratelimit', ['"app";r=1', '"app-2";r=1'])
    response.setHeader('Ratelimit-Policy', '"app";q=1;w=1')
    request.resume().on('end', () => response.end('ok'))
  })
  opened.push(app)
  const proxy = await startProxy(app.url, environment, policies, { fleet, clock, emergency })
  opened.push(proxy)
  return proxy
}

interface Asking {
  readonly method?: string
  readonly path?: string
  /** Field lines. */
  readonly fields?: readonly string[]
}

const ask = async (
  { port }: TestProxy,
  { method = 'GET', path = '/search', fields = [] }: Asking = {},
): Promise<RawReply> => {
  const client = await rawClient(port)
  const lines = ['Host: a.example', 'X-Request-ID: the-id', 'Connection: close', ...fields]
  client.send(`${method} ${path} HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
  const received = await client.closed()
  if (method === 'HEAD') expect(received).toMatch(/\r\n\r\n$/)
  return rawReplies(
    method === 'HEAD' ? received.replace(/Content-Length: \d+/i, 'Content-Length: 0') : received,
  )[0] as RawReply
}

const statuses = async (proxy: TestProxy, times: number, asking?: Asking): Promise<number[]> => {
  const seen: number[] = []
  for (let time = 0; time < times; time++) seen.push((await ask(proxy, asking)).status)
  return seen
}

/** Two a minute for each client, unless told otherwise. */
const limited = (limit: object = {}, more: object = {}) => ({
  routes: { search: { match: { path: '/search' }, limits: ['per-client'] } },
  limits: { 'per-client': { requests: 2, perSeconds: 60, ...limit } },
  ...more,
})

const jwt = (subject: string): string => `a.${Buffer.from(JSON.stringify({ sub: subject })).toString('base64url')}.c`

it('more than a limit allows is a 429 that says when to come again, until it is time', async () => {
  const proxy = await start(new TestPolicies(limited()))
  const first = await ask(proxy)
  expect(first.status).toBe(200)
  expect(values(first, 'ratelimit-policy')).toEqual(['"per-client";q=2;w=60'])
  expect(values(first, 'ratelimit')).toEqual(['"per-client";r=1;t=30'])
  expect(values(await ask(proxy), 'ratelimit')).toEqual(['"per-client";r=0;t=60'])

  clock.nowMs += 500
  const third = await ask(proxy)
  expect(third.status).toBe(429)
  expect(values(third, 'content-type')).toEqual(['application/problem+json'])
  expect(values(third, 'cache-control')).toEqual(['no-store'])
  expect(values(third, 'x-request-id')).toEqual(['the-id'])
  expect(values(third, 'retry-after')).toEqual(['30'])
  expect(values(third, 'ratelimit-policy')).toEqual(['"per-client";q=2;w=60'])
  expect(values(third, 'ratelimit')).toEqual(['"per-client";r=0;t=60'])
  expect(JSON.parse(third.body)).toEqual({
    type: 'about:blank',
    title: 'Too Many Requests',
    status: 429,
    detail: 'More requests came than this server allows; Retry-After says when to come again.',
    correlationId: 'the-id',
  })
  expect(await proxy.line(({ status }) => status === 429)).toMatchObject({
    level: 'info',
    route: 'search',
    outcome: 'refused',
    refusal: 'rate-limited',
    reason: 'limit "per-client" by client-address',
  })

  clock.nowMs += 29_499
  expect(await ask(proxy)).toMatchObject({ status: 429, headers: expect.arrayContaining([['Retry-After', '1']]) })
  clock.nowMs += 1
  expect(await statuses(proxy, 2)).toEqual([200, 429])
  clock.nowMs += 600_000
  expect(await statuses(proxy, 3)).toEqual([200, 200, 429])
})

it('a limit is for its routes, whatever their methods, and never for what is ours', async () => {
  const proxy = await start(
    new TestPolicies({ ...limited(), routes: { all: { match: { path: '/*' }, limits: ['per-client'] } } }),
  )
  expect(await statuses(proxy, 3, { method: 'POST', path: '/a' })).toEqual([200, 200, 429])
  // Not ready, as nobody has told this proxy that it serves: but never 429.
  expect(await statuses(proxy, 3, { path: '/__sidegate/health/ready' })).toEqual([503, 503, 503])
  const unlimited = await start(new TestPolicies(limited()))
  const free = await ask(unlimited, { path: '/other' })
  expect(values(free, 'ratelimit')).toEqual(['"app";r=1', '"app-2";r=1'])
})

it('the answer to a HEAD is the same without its body', async () => {
  const proxy = await start(new TestPolicies(limited({ requests: 1 })))
  expect(values(await ask(proxy, { method: 'HEAD' }), 'ratelimit')).toEqual(['"per-client";r=0;t=60'])
  const refused = await ask(proxy, { method: 'HEAD' })
  expect(refused).toMatchObject({ status: 429, body: '' })
  expect(values(refused, 'retry-after')).toEqual(['60'])
})

it('what is left is told on our own error replies, too', async () => {
  const proxy = await start(
    new TestPolicies({ ...limited(), routes: { all: { match: { path: '/*' }, limits: ['per-client'] } } }),
  )
  const failed = await ask(proxy, { path: '/fails' })
  expect(failed.status).toBe(502)
  expect(values(failed, 'ratelimit')).toEqual(['"per-client";r=1;t=30'])
})

it('a limit that is not announced shows only when to come again, and leaves what the app says', async () => {
  const proxy = await start(new TestPolicies(limited({ requests: 1, announce: false })))
  expect(values(await ask(proxy), 'ratelimit')).toEqual(['"app";r=1', '"app-2";r=1'])
  const refused = await ask(proxy)
  expect(refused.status).toBe(429)
  expect(values(refused, 'retry-after')).toEqual(['60'])
  expect(values(refused, 'ratelimit')).toEqual([])
  expect(values(refused, 'ratelimit-policy')).toEqual([])
})

describe('clients are told apart by', () => {
  it.each([
    ['a header', { by: 'header', name: 'X-Api-Key' }, 'X-API-KEY: one', 'x-api-key: two'],
    ['a cookie', { by: 'cookie', name: 'id' }, 'Cookie: a=b; id=one', 'Cookie: id=two; a=b'],
    [
      'the subject of a JWT',
      { by: 'jwt-subject' },
      `Authorization: Bearer ${jwt('one')}`,
      `Authorization: Bearer ${jwt('two')}`,
    ],
    [
      'a header that is very long',
      { by: 'header', name: 'X-Api-Key' },
      `X-Api-Key: ${'x'.repeat(999)}1`,
      `X-Api-Key: ${'x'.repeat(999)}2`,
    ],
  ])('%s, which no log shows', async (_what, key, one, other) => {
    const proxy = await start(new TestPolicies(limited({ key })))
    expect(await statuses(proxy, 3, { fields: [one] })).toEqual([200, 200, 429])
    expect(await statuses(proxy, 3, { fields: [other] })).toEqual([200, 200, 429])
    await proxy.line(({ status }) => status === 429)
    expect(JSON.stringify(proxy.lines)).not.toMatch(/\bone\b|\btwo\b|xxx/)
  })

  it('nothing, where the limit is the route’s', async () => {
    const routes = {
      search: { match: { path: '/search' }, limits: ['per-client'] },
      other: { match: { path: '/other' }, limits: ['per-client'] },
    }
    const proxy = await start(new TestPolicies(limited({ key: { by: 'route' } }, { routes })))
    expect(await statuses(proxy, 3)).toEqual([200, 200, 429])
    expect(await statuses(proxy, 3, { path: '/other' })).toEqual([200, 200, 429])
  })

  it('their address, where they do not say who they are, or say it twice', async () => {
    const proxy = await start(new TestPolicies(limited({ key: { by: 'header', name: 'X-Api-Key' } })))
    expect(await statuses(proxy, 1)).toEqual([200])
    expect(await statuses(proxy, 1, { fields: ['X-Api-Key:'] })).toEqual([200])
    expect(await statuses(proxy, 1, { fields: ['X-Api-Key: a', 'X-Api-Key: b'] })).toEqual([429])
    // Which is not what somebody says who only looks like it.
    expect(await statuses(proxy, 1, { fields: ['X-Api-Key: 127.0.0.1'] })).toEqual([200])
  })
})

describe('of several limits', () => {
  const several = {
    routes: { search: { match: { path: '/search' }, limits: ['per-client', 'per-key', 'secret'] } },
    limits: {
      'per-client': { requests: 3, perSeconds: 60 },
      'per-key': { requests: 1, perSeconds: 10, key: { by: 'header', name: 'X-Api-Key' } },
      secret: { requests: 100, perSeconds: 1, announce: false },
    },
  }

  it('each is told of, and one that refuses leaves the others uncharged', async () => {
    const proxy = await start(new TestPolicies(several))
    const first = await ask(proxy, { fields: ['X-Api-Key: a'] })
    expect(values(first, 'ratelimit-policy')).toEqual(['"per-client";q=3;w=60, "per-key";q=1;w=10'])
    expect(values(first, 'ratelimit')).toEqual(['"per-client";r=2;t=20, "per-key";r=0;t=10'])
    const refused = await ask(proxy, { fields: ['X-Api-Key: a'] })
    expect(refused.status).toBe(429)
    expect(values(refused, 'retry-after')).toEqual(['10'])
    expect(values(refused, 'ratelimit')).toEqual(['"per-client";r=2;t=20, "per-key";r=0;t=10'])
    expect(await statuses(proxy, 1, { fields: ['X-Api-Key: b'] })).toEqual([200])
    expect(await statuses(proxy, 1, { fields: ['X-Api-Key: c'] })).toEqual([200])
    expect(await statuses(proxy, 1, { fields: ['X-Api-Key: d'] })).toEqual([429])
  })

  it('that refuse, the one with the longest wait decides when to come again', async () => {
    const proxy = await start(new TestPolicies(several))
    for (const key of ['a', 'b', 'c']) await ask(proxy, { fields: [`X-Api-Key: ${key}`] })
    const refused = await ask(proxy, { fields: ['X-Api-Key: c'] })
    expect(values(refused, 'retry-after')).toEqual(['20'])
    expect(await proxy.line(({ status }) => status === 429)).toMatchObject({
      reason: 'limit "per-client" by client-address, limit "per-key" by header X-Api-Key',
    })
  })
})

describe('a change of the policy', () => {
  it('forgives nobody', async () => {
    const policies = new TestPolicies(limited())
    const proxy = await start(policies)
    expect(await statuses(proxy, 3)).toEqual([200, 200, 429])
    policies.change(
      limited(
        { requests: 4 },
        { limits: { 'per-client': { requests: 4, perSeconds: 60 }, more: { requests: 1, perSeconds: 1 } } },
      ),
    )
    expect(await statuses(proxy, 1)).toEqual([429])
    clock.nowMs += 15_000
    expect(await statuses(proxy, 2)).toEqual([200, 429])
  })

  it('begins anew with a limit whose keys were others, or that was gone', async () => {
    const byHeader = (name: string) => limited({ key: { by: 'header', name } })
    const policies = new TestPolicies(byHeader('X-A'))
    const proxy = await start(policies)
    const asking = { fields: ['X-A: me', 'X-B: me'] }
    expect(await statuses(proxy, 3, asking)).toEqual([200, 200, 429])
    policies.change(byHeader('X-B'))
    expect(await statuses(proxy, 3, asking)).toEqual([200, 200, 429])
    policies.change({
      routes: { search: { match: { path: '/search' }, limits: ['other'] } },
      limits: { other: { requests: 1, perSeconds: 60 } },
    })
    expect(await statuses(proxy, 2, asking)).toEqual([200, 429])
    policies.change(byHeader('X-B'))
    expect(await statuses(proxy, 3, asking)).toEqual([200, 200, 429])
  })
})

describe('an instance that is not alone', () => {
  it('enforces its share, as far as it knows of others', async () => {
    const fleet = { size: 3 }
    const proxy = await start(new TestPolicies(limited({ requests: 6 })), fleet)
    expect(await statuses(proxy, 3)).toEqual([200, 200, 429])
    clock.nowMs += 29_999
    expect(await statuses(proxy, 1)).toEqual([429])
    clock.nowMs += 1
    expect(await statuses(proxy, 2)).toEqual([200, 429])
    fleet.size = 1
    clock.nowMs += 10_000
    expect(await statuses(proxy, 2)).toEqual([200, 429])
  })

  it('admits one at a time where its share is less', async () => {
    const proxy = await start(new TestPolicies(limited()), { size: 3 })
    expect(await statuses(proxy, 2)).toEqual([200, 429])
    clock.nowMs += 90_000
    expect(await statuses(proxy, 2)).toEqual([200, 429])
  })

  it('knows of the other workers of its pod without being told', async () => {
    const proxy = await start(new TestPolicies(limited({ requests: 6 })), { size: 1 }, { WORKERS: '3' })
    expect(await statuses(proxy, 3)).toEqual([200, 200, 429])
  })
})

describe('in an emergency', () => {
  const emergency: { state: EmergencyState } = { state: 'calm' }
  const start4 = async (requests: number, limitFactor: number) => {
    emergency.state = 'calm'
    const document = limited({ requests }, { emergency: { limitFactor, challengeShare: 0 } })
    return start(new TestPolicies(document), { size: 1 }, {}, emergency)
  }

  it.each(['emergency', 'recovering'] as const)('(%s) limits are multiplied, and replies tell so', async (state) => {
    const proxy = await start4(8, 0.5)
    emergency.state = state
    const first = await ask(proxy)
    expect(values(first, 'ratelimit-policy')).toEqual(['"per-client";q=4;w=60'])
    expect(values(first, 'ratelimit')).toEqual(['"per-client";r=3;t=15'])
    expect(await statuses(proxy, 4)).toEqual([200, 200, 200, 429])
    const refused = await ask(proxy)
    expect(values(refused, 'ratelimit-policy')).toEqual(['"per-client";q=4;w=60'])
    expect(values(refused, 'retry-after')).toEqual(['15'])
    clock.nowMs += 14_999
    expect(await statuses(proxy, 1)).toEqual([429])
    clock.nowMs += 1
    expect(await statuses(proxy, 2)).toEqual([200, 429])
  })

  it('what had been used stays used, in the same part, and is given back at the old rate afterwards', async () => {
    const proxy = await start4(8, 0.5)
    expect(await statuses(proxy, 4)).toEqual([200, 200, 200, 200]) // half of it
    emergency.state = 'emergency'
    expect(await statuses(proxy, 3)).toEqual([200, 200, 429]) // half of what is there now
    emergency.state = 'calm'
    clock.nowMs += 7_500
    expect(await statuses(proxy, 2)).toEqual([200, 429])
  })

  it('one request at a time is admitted, however small the factor', async () => {
    const proxy = await start4(2, 0.01)
    emergency.state = 'emergency'
    const first = await ask(proxy)
    expect(first.status).toBe(200)
    expect(values(first, 'ratelimit-policy')).toEqual(['"per-client";q=1;w=60'])
    const refused = await ask(proxy)
    expect(values(refused, 'retry-after')).toEqual(['3000'])
    clock.nowMs += 3_000_000
    expect(await statuses(proxy, 2)).toEqual([200, 429])
  })
})
