import { describe, expect, it } from 'vitest'
import { type IpAddress, parseAddress } from '../facts/ip-address.ts'
import { clientRange } from '../state/addresses/client-range.ts'
import type { Block } from '../state/blocks/block.ts'
import { policySchema } from '../state/policy/schema.ts'
import { violationsThreshold } from '../state/violations/threshold.ts'
import { verdictOn } from './explain.ts'

const NOW_MS = Date.UTC(2026, 10, 28, 12)
const policyOf = (document: unknown = {}) => policySchema.parse(document)
const address = (text: string) => parseAddress(text) as IpAddress

const block = (range: string, untilMs: number, more: Partial<Block> = {}): Block => ({
  ...{ range, source: 'manual', author: 'ann', reason: '', sinceMs: NOW_MS - 60_000, untilMs },
  ...{ forgetAtMs: untilMs, count: 1, stamp: 0 },
  ...more,
})

const because = (text: string, blocks: readonly Block[], document?: unknown): string => {
  const { verdict, because } = verdictOn(address(text), blocks, policyOf(document), NOW_MS)
  return `${verdict}: ${because}`
}

describe('the verdict on an address', () => {
  it('is told by the block that lasts longest, with by whom, since when, until when, and why', () => {
    const [short, long] = [
      block('192.0.2.0/24', NOW_MS + 1_000),
      block('192.0.2.7', NOW_MS + 2_000, { reason: 'scrapes' }),
    ]
    expect(because('192.0.2.7', [long])).toBe(
      'blocked: 192.0.2.7 is blocked by ann since 2026-11-28T11:59:00.000Z, until 2026-11-28T12:00:02.000Z: scrapes.',
    )
    for (const blocks of [
      [short, long],
      [long, short],
    ]) {
      expect(because('192.0.2.7', blocks)).toMatch(/^blocked: 192\.0\.2\.7 is .*: scrapes\. 1 more block covers it\.$/)
    }
    const auto = block('192.0.2.7', Number.POSITIVE_INFINITY, { source: 'auto', author: 'sidegate', count: 2 })
    expect(because('192.0.2.7', [auto])).toBe(
      'blocked: 192.0.2.7 is blocked by Sidegate itself since 2026-11-28T11:59:00.000Z, without an end, the 2nd time in a row.',
    )
  })

  it.each([
    [3, '3rd'],
    [4, '4th'],
    [11, '11th'],
    [21, '21st'],
    [112, '112th'],
  ])('counts %i times in words', (count, words) => {
    expect(because('192.0.2.7', [block('192.0.2.7', NOW_MS + 1, { count })])).toContain(`the ${words} time in a row`)
  })

  it('is free where no block holds, at the very moment of its end, too', () => {
    expect(because('192.0.2.7', [])).toBe('free: No block covers 192.0.2.7.')
    expect(because('192.0.2.7', [block('192.0.2.0/24', NOW_MS - 5), block('192.0.2.7', NOW_MS)])).toBe(
      'free: No block that covers 192.0.2.7 holds any more; the last, of 192.0.2.7, ended at 2026-11-28T12:00:00.000Z.',
    )
  })

  it('is allowed by the policy, whatever blocks there are', () => {
    const blocks = [block('192.0.2.7', NOW_MS + 1), block('192.0.2.0/24', NOW_MS + 1), block('0.0.0.0/8', NOW_MS)]
    expect(because('192.0.2.7', blocks, { blocking: { allow: ['192.0.2.0/28'] } })).toBe(
      'allowed: 192.0.2.7 lies in 192.0.2.0/28, one of blocking.allow of the policy, which are never blocked. ' +
        '2 blocks cover it without effect.',
    )
    expect(because('2001:db8::7', [], { trustedProxies: { ranges: ['2001:db8::7'] } })).toBe(
      'allowed: 2001:db8::7 is one of trustedProxies.ranges of the policy, which are never blocked.',
    )
    expect(because('192.0.2.17', [], { blocking: { allow: ['192.0.2.0/28'] } })).toMatch(/^free/)
    expect(because('127.0.0.1', [])).toBe(
      'allowed: 127.0.0.1 lies in 127.0.0.0/8, the addresses of this machine, which are never blocked.',
    )
  })
})

it('a client is an address of IPv4, or the prefix of the policy', () => {
  expect(clientRange(address('::ffff:192.0.2.7'), { policy: policyOf() })).toBe('192.0.2.7')
  expect(clientRange(address('2001:db8:1:2:3::7'), { policy: policyOf() })).toBe('2001:db8:1:2::/64')
  expect(
    clientRange(address('2001:db8:1:2:3::7'), { policy: policyOf({ trustedProxies: { ipv6PrefixBits: 48 } }) }),
  ).toBe('2001:db8:1::/48')
  expect(clientRange(address('2001:db8::7'), { policy: policyOf({ trustedProxies: { ipv6PrefixBits: 128 } }) })).toBe(
    '2001:db8::7',
  )
})

it('fewer violations lead to a block while there is an emergency, and one at the least', () => {
  const policy = policyOf({ blocking: { violations: 5 }, emergency: { violationsFactor: 0.5 } })
  expect((['calm', 'emergency', 'recovering'] as const).map((state) => violationsThreshold(policy, state))).toEqual([
    ...[5, 3, 3],
  ])
  const strict = policyOf({ blocking: { violations: 1 }, emergency: { violationsFactor: 0.01 } })
  expect(violationsThreshold(strict, 'emergency')).toBe(1)
})
