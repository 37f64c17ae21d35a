import { Agent, get } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { quietLog } from '#shared/testing/redis-guards.ts'
import { BlockStore } from '../state/blocks/block-store.ts'
import { compilePolicy } from '../state/policy/compile.ts'
import type { Candidate } from '../state/policy/policy-shadow.ts'
import { readPolicy } from '../state/policy/read.ts'
import { ShadowReport } from '../state/policy/shadow-report.ts'
import { Violations } from '../state/violations/violations.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

/** Behind a proxy that is trusted, so that any address can ask. */
const trusting = (more: object = {}) => ({ trustedProxies: { ranges: ['127.0.0.0/8'] }, ...more })

const start = async (document: unknown = trusting(), environment: Record<string, string> = {}) => {
  let asked = 0
  const app = await startUpstream((request, response) => {
    asked++
    request.resume().on('end', () => response.end('ok'))
  })
  const blocks = new BlockStore(undefined, quietLog)
  const violations = new Violations(undefined, 'i', blocks, quietLog)
  const policies = new TestPolicies(document)
  const shadow: { current: Candidate | undefined } = { current: undefined }
  const proxy = await startProxy(app.url, environment, policies, { blocks, violations, shadow })
  opened.push(app, violations, proxy)
  const ask = async (address: string, path = '/') => {
    const reply = await fetch(`${proxy.origin}${path}`, { headers: { 'X-Forwarded-For': address } })
    const body = await reply.text()
    return { status: reply.status, headers: reply.headers, body }
  }
  const statuses = async (...addresses: string[]) => {
    const all: number[] = []
    for (const address of addresses) all.push((await ask(address)).status)
    return all
  }
  const block = (range: string, seconds = 60) => {
    const untilMs = Date.now() + seconds * 1_000
    const times = { sinceMs: Date.now(), untilMs, forgetAtMs: untilMs }
    return blocks.block([{ range, source: 'manual', author: 'alice', reason: 'a secret of ours', count: 1, ...times }])
  }
  return { proxy, blocks, policies, shadow, ask, statuses, block, asked: () => asked }
}

describe('who is blocked', () => {
  it('gets 403, which says no more than that, and the app hears nothing of it', async () => {
    const { ask, block, asked } = await start()
    await block('198.51.100.0/24')
    const { status, headers, body } = await ask('198.51.100.7')
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
      ...[403, expect.stringContaining('application/problem+json'), 'no-store'],
    ])
    expect(JSON.parse(body)).toEqual({
      ...{ type: 'about:blank', title: 'Forbidden', status: 403, detail: 'Requests from this address are not served.' },
      correlationId: headers.get('x-request-id'),
    })
    expect(asked()).toBe(0)
  })

  it('is blocked alone, in both families, and until it is unblocked', async () => {
    const { statuses, block, blocks } = await start()
    await block('198.51.100.7')
    await block('2001:db8:0:7::/64')
    const addresses = ['198.51.100.7', '198.51.100.8', '2001:db8:0:7::9', '2001:db8:0:8::9'] as const
    expect(await statuses(...addresses)).toEqual([403, 200, 403, 200])
    await blocks.unblock(['198.51.100.7', '2001:db8:0:7::/64'])
    expect(await statuses(...addresses)).toEqual([200, 200, 200, 200])
  })

  it('is blocked as the peer, too, where nobody speaks for it, but never on this machine', async () => {
    const { statuses, block } = await start({})
    await block('127.0.0.0/8')
    expect(await statuses('198.51.100.7')).toEqual([200])
  })

  it('passes where the policy allows it, from the moment on at which it does', async () => {
    const { statuses, block, policies } = await start()
    await block('198.51.100.0/24')
    expect(await statuses('198.51.100.7')).toEqual([403])
    policies.change(trusting({ blocking: { allow: ['198.51.100.7'] } }))
    expect(await statuses('198.51.100.7', '198.51.100.8')).toEqual([200, 403])
    policies.change(trusting())
    expect(await statuses('198.51.100.7')).toEqual([403])
  })

  it('may still ask whether Sidegate is ready, as probes do', async () => {
    const { ask, block } = await start()
    await block('198.51.100.7')
    expect((await ask('198.51.100.7', '/__sidegate/health/ready')).status).not.toBe(403)
  })

  it('does not fill the log', async () => {
    const { proxy, statuses, block } = await start(trusting(), { ACCESS_LOG: 'errors', LOG_LEVEL: 'debug' })
    await block('198.51.100.7')
    await statuses('198.51.100.7', '198.51.100.7')
    expect(proxy.lines.filter(({ refusal }) => refusal === 'blocked')).toEqual([])
  })
})

it('all exchanges in the log are those of who is blocked, too, where debug is wanted', async () => {
  const { proxy, statuses, block } = await start(trusting(), { ACCESS_LOG: 'all', LOG_LEVEL: 'debug' })
  await block('198.51.100.7')
  await statuses('198.51.100.7')
  expect(await proxy.line(({ refusal }) => refusal === 'blocked')).toMatchObject({ status: 403, level: 'debug' })
})

it('a connection serves others after it was refused for one that is blocked', async () => {
  const { proxy, block } = await start()
  await block('198.51.100.7')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  opened.push({ close: () => agent.destroy() })
  const ask = (address: string) =>
    new Promise<readonly unknown[]>((resolve, reject) => {
      const request = get(proxy.origin, { agent, headers: { 'X-Forwarded-For': address } }, (reply) => {
        reply.resume().on('end', () => setImmediate(resolve, [reply.statusCode, request.reusedSocket]))
      }).on('error', reject)
    })
  expect(await ask('198.51.100.7')).toEqual([403, false])
  expect(await ask('198.51.100.8')).toEqual([200, true])
  expect(await ask('198.51.100.7')).toEqual([403, true])
})

it('who is refused too often by a limit is blocked, and by its own 403s not for longer', async () => {
  const { statuses, blocks } = await start(
    trusting({
      routes: { all: { match: { path: '/*' }, limits: ['l'] } },
      limits: { l: { requests: 2, perSeconds: 3_600 } },
      blocking: { violations: 3 },
    }),
  )
  const asks = (times: number) => statuses(...Array.from({ length: times }, () => '198.51.100.7'))
  expect(await asks(7)).toEqual([200, 200, 429, 429, 429, 403, 403])
  const { untilMs, count } = blocks.get('198.51.100.7') ?? {}
  await asks(20)
  expect(blocks.get('198.51.100.7')).toMatchObject({ untilMs, count, reason: '3 violations in 60 s' })
})

it('who is refused as all clients of a route together are too many is not blocked for it', async () => {
  const { statuses } = await start(
    trusting({
      routes: { all: { match: { path: '/*' }, limits: ['shared'] } },
      limits: { shared: { requests: 2, perSeconds: 3_600, key: { by: 'route' } } },
      blocking: { violations: 1 },
    }),
  )
  expect(await statuses('203.0.113.9', '203.0.113.9', '198.51.100.7', '198.51.100.7')).toEqual([200, 200, 429, 429])
})

it('a candidate tells whom it would let through, and blocks nobody', async () => {
  const { statuses, block, shadow, blocks } = await start()
  await block('198.51.100.7')
  const reading = readPolicy(
    trusting({
      blocking: { allow: ['198.51.100.7'], violations: 1 },
      routes: { all: { match: { path: '/*' }, limits: ['l'] } },
      limits: { l: { requests: 1, perSeconds: 3_600 } },
    }),
  )
  if (reading.kind === 'bad') throw new Error('bad')
  const report = new ShadowReport()
  shadow.current = { policy: compilePolicy(2, reading.policy), report }
  expect(await statuses('198.51.100.7', '192.0.2.1', '192.0.2.1', '192.0.2.1')).toEqual([403, 200, 200, 200])
  expect(report.told()).toMatchObject({
    wouldAdmit: [{ refusal: 'blocked', count: 1 }],
    wouldRefuse: [{ refusal: 'rate-limited', count: 2 }],
  })
  expect(blocks.size).toBe(1)
})
