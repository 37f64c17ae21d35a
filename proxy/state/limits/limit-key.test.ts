import { describe, expect, it } from 'vitest'
import { directClient } from '../../facts/client-address.ts'
import { parseAddress } from '../../facts/ip-address.ts'
import type { Facts } from '../../layer.ts'
import { TestPolicies } from '../../testing/policies.ts'
import type { CompiledRoute } from '../policy/compile.ts'
import { limitKey } from './limit-key.ts'

const { active } = new TestPolicies({
  trustedProxies: { ipv6PrefixBits: 56 },
  routes: { search: { match: { path: '/search' } } },
})
const route = active.routes.find('GET', '/search') as CompiledRoute

/** Facts as no exchange has them: a layer that obeys the policy needs no more. */
const facts = (rawHeaders: string[], clientAddress = '192.0.2.7'): Facts => ({
  request: {
    method: 'GET',
    target: '/search',
    httpVersionMinor: 1,
    rawHeaders,
    framing: { isChunked: false, length: undefined },
  },
  method: 'GET',
  path: '/search',
  policy: active,
  route,
  peer: directClient('192.0.2.99'),
  clientAddress,
  emergency: 'calm',
  clientIp: parseAddress(clientAddress),
  rateLimit: undefined,
})

const byAddress = (clientAddress: string): string => limitKey({ by: 'client-address' }, facts([], clientAddress), route)
const byHeader = (...values: string[]): string =>
  limitKey({ by: 'header', lowerName: 'x-api-key' }, facts(values.flatMap((value) => ['X-Api-Key', value])), route)
const bySubject = (sub: string): string => {
  const token = `a.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.c`
  return limitKey({ by: 'jwt-subject' }, facts(['Authorization', `Bearer ${token}`]), route)
}

it('an IPv6 client is told by as many bits as the policy says', () => {
  expect(byAddress('2001:db8:0:a1ff::1')).toBe(byAddress('2001:db8:0:a100:ffff::2'))
  expect(byAddress('2001:db8:0:a1ff::1')).not.toBe(byAddress('2001:db8:0:a200::1'))
  expect(byAddress('::ffff:192.0.2.7')).toBe(byAddress('192.0.2.7'))
})

describe('no value is taken for', () => {
  it('an address', () => {
    const fallback = byHeader()
    expect(byHeader('')).toBe(fallback)
    expect(byHeader('a', 'b')).toBe(fallback)
    expect(byHeader('192.0.2.7')).not.toBe(fallback)
    expect(bySubject(fallback)).not.toBe(fallback)
  })

  it('another one, however long they are, or whatever is in them', () => {
    const long = byHeader('x'.repeat(300))
    const values = ['x'.repeat(256), 'x'.repeat(257), '\u0000', '\u0001', 'é', '漢', long, ' ', 'a', 'a ']
    expect(new Set(values.map(bySubject)).size).toBe(values.length)
  })
})

it('a key is short, and one byte a character', () => {
  for (const key of [byHeader('\xe9'.repeat(5_000)), bySubject('漢'.repeat(1_000)), bySubject('\ud800')]) {
    expect(key).toMatch(/^[\0-\xff]{1,256}$/)
  }
})
