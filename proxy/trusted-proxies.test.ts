import { afterEach, describe, expect, it } from 'vitest'
import { TestPolicies } from './testing/policies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream } from './testing/start-upstream.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

/** An app that tells what it was told. */
const start = async (document: unknown): Promise<TestProxy> => {
  const app = await startUpstream((request, response) => {
    const { 'x-forwarded-for': forwardedFor, 'x-forwarded-proto': scheme, forwarded } = request.headers
    request.resume().on('end', () => response.end(JSON.stringify({ forwardedFor, scheme, forwarded })))
  })
  opened.push(app)
  const proxy = await startProxy(app.url, {}, new TestPolicies(document))
  opened.push(proxy)
  return proxy
}

const ask = async ({ origin }: TestProxy, headers: Record<string, string> = {}) => {
  const reply = await fetch(origin, { headers })
  return { status: reply.status, told: await reply.json() }
}

const FROM_CDN = {
  'X-Forwarded-For': '192.0.2.66, 203.0.113.4',
  'X-Forwarded-Proto': 'https',
  Forwarded: 'for=192.0.2.66',
}

describe('a request from a trusted peer', () => {
  const trusting = { trustedProxies: { ranges: ['127.0.0.0/8'] } }

  it('is its client’s: for the app, which hears of nobody beyond, and in the log', async () => {
    const proxy = await start(trusting)
    expect((await ask(proxy, FROM_CDN)).told).toEqual({ forwardedFor: '203.0.113.4, 127.0.0.1', scheme: 'https' })
    expect(await proxy.line(({ msg }) => msg === 'GET / 200')).toMatchObject({
      ...{ clientAddress: '203.0.113.4', peerAddress: '127.0.0.1' },
    })
  })

  it('is held against the limits of its client', async () => {
    const proxy = await start({
      ...trusting,
      routes: { all: { match: { path: '/*' }, limits: ['l'] } },
      limits: { l: { requests: 1, perSeconds: 3_600 } },
    })
    const from = (client: string) => ask(proxy, { 'X-Forwarded-For': client }).then(({ status }) => status)
    expect([await from('203.0.113.4'), await from('203.0.113.4'), await from('203.0.113.5')]).toEqual([200, 429, 200])
    expect([await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8:1::1')]).toEqual([200, 429, 200])
    // Claims that the trusted peer does not vouch for change nothing.
    expect(await from('198.51.100.1, 203.0.113.4')).toBe(429)
  })
})

it('a request from anyone else is its peer’s, whatever it says', async () => {
  const proxy = await start({ trustedProxies: { ranges: ['10.0.0.0/8'] } })
  expect((await ask(proxy, FROM_CDN)).told).toEqual({ forwardedFor: '127.0.0.1', scheme: 'http' })
  expect(await proxy.line(({ msg }) => msg === 'GET / 200')).not.toHaveProperty('peerAddress')
})
