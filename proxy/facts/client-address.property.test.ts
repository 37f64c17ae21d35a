import { BlockList, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressRanges } from '../state/addresses/address-ranges.ts'
import { clientOf, directClient, type Trust } from './client-address.ts'
import { parseAddress } from './ip-address.ts'

const TRUSTED = ['10.0.0.0/8', '192.0.2.7', '2001:db8:aa::/48']

const list = new BlockList()
list.addSubnet('10.0.0.0', 8)
list.addAddress('192.0.2.7')
list.addSubnet('2001:db8:aa::', 48, 'ipv6')
const isTrusted = (address: string): boolean => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

const trust = (field: Trust['field']): Trust => ({ ranges: new AddressRanges(TRUSTED), field })

/** A hop as it is written, and as what it is to be read: undefined for what cannot be. */
interface Written {
  readonly text: string
  readonly address: string | undefined
}

const addresses = ['10.1.2.3', '192.0.2.7', '2001:db8:aa::5', '198.51.100.9', '203.0.113.4', '2001:db8:bb::1']
const address = fc.constantFrom(...addresses)
const port = fc.integer({ min: 1, max: 65_535 })
const nonsense = fc.constantFrom(
  '',
  'unknown',
  '_hidden',
  '1.2.3',
  '999.1.1.1',
  '10.0.0.1:',
  '[::1',
  '::1]',
  '10.0.0.1, ',
  'a b',
  '01.2.3.4',
  '[10.0.0.1]',
)

const forwardedForHop: fc.Arbitrary<Written> = fc.oneof(
  { weight: 6, arbitrary: address.map((one) => ({ text: one, address: one })) },
  fc.tuple(address, port).map(([one, at]) => ({ text: isIPv6(one) ? `[${one}]:${at}` : `${one}:${at}`, address: one })),
  address.filter(isIPv6).map((one) => ({ text: `[${one.toUpperCase()}]`, address: one })),
  address.filter((one) => !isIPv6(one)).map((one) => ({ text: `::ffff:${one}`, address: one })),
  nonsense.filter((text) => !text.includes(',')).map((text) => ({ text, address: undefined })),
)

const forwardedHop: fc.Arbitrary<Written> = fc
  .tuple(
    forwardedForHop,
    fc.constantFrom('for', 'For', 'FOR'),
    fc.constantFrom('', ';proto=https', ';by="a,b;c"'),
    fc.boolean(),
  )
  .map(([{ text, address: one }, name, rest, isFirst]) => {
    // What has a colon or a bracket must be quoted (RFC 7239 §4); IPv6 stands in brackets.
    const inBrackets = one !== undefined && isIPv6(text) ? `[${text}]` : text
    const pair = `${name}="${inBrackets}"`
    return { text: isFirst ? `${pair}${rest}` : `proto=http;${pair}${rest}`, address: one }
  })

/** The model: from the nearest hop on, as long as each is trusted; what cannot be read ends it. */
const follow = (peer: string, hops: readonly Written[]): { client: string; path: string[] } => {
  const path = [peer]
  if (!isTrusted(peer)) return { client: peer, path }
  for (const hop of hops.toReversed()) {
    if (hop.address === undefined) break
    path.unshift(hop.address)
    if (!isTrusted(hop.address)) break
  }
  return { client: path[0] as string, path }
}

/** One list may come in several fields, with other fields in between. */
const inFields = (name: string, texts: readonly string[], cuts: readonly number[]): string[] => {
  const headers = ['Accept', '*/*']
  let field: string[] = []
  for (const [index, text] of texts.entries()) {
    field.push(text)
    if (cuts.includes(index) || index === texts.length - 1) {
      headers.push(name, field.join(', '), 'X-Other', '10.9.9.9')
      field = []
    }
  }
  return headers
}

const cuts = fc.array(fc.nat(6), { maxLength: 3 })

describe('the client of a request', () => {
  it.each<[Trust['field'], string, fc.Arbitrary<Written>]>([
    ['x-forwarded-for', 'X-Forwarded-For', forwardedForHop],
    ['forwarded', 'Forwarded', forwardedHop],
  ])('by %s is the nearest that is not trusted, as the model has it', (field, name, hop) => {
    fc.assert(
      fc.property(address, fc.array(hop, { maxLength: 6 }), cuts, (peer, hops, at) => {
        const { client, path } = follow(peer, hops)
        const headers = inFields(
          name,
          hops.map(({ text }) => text),
          at,
        )
        expect(clientOf(directClient(peer), headers, trust(field))).toMatchObject({
          address: client,
          ip: parseAddress(client),
          forwardedFor: path.join(', '),
        })
      }),
      { numRuns: 3_000 },
    )
  })

  it('is never what an untrusted peer says, in any field', () => {
    const anything = fc.oneof(fc.string({ maxLength: 80 }), address, nonsense)
    const names = [
      'X-Forwarded-For',
      'Forwarded',
      'CF-Connecting-IP',
      'Fastly-Client-IP',
      'CloudFront-Viewer-Address',
      'X-Forwarded-Proto',
    ]
    const fields = fc.array(fc.tuple(fc.constantFrom(...names), anything), { maxLength: 6 })
    const presets = fc.constantFrom<Trust['field'][]>(
      'x-forwarded-for',
      'forwarded',
      'cf-connecting-ip',
      'fastly-client-ip',
      'cloudfront-viewer-address',
    )
    fc.assert(
      fc.property(
        address.filter((one) => !isTrusted(one)),
        fields,
        presets,
        (peer, sent, field) => {
          expect(clientOf(directClient(peer), sent.flat(), trust(field))).toEqual({
            address: peer,
            ip: parseAddress(peer),
            forwardedFor: peer,
            scheme: 'http',
          })
        },
      ),
    )
  })

  it('is always an address, and the app is told of nobody beyond it, whatever a trusted peer sends', () => {
    const anything = fc.oneof(
      fc.string({ maxLength: 200, unit: 'binary-ascii' }),
      forwardedForHop.map(({ text }) => text),
      forwardedHop.map(({ text }) => text),
    )
    const names = [
      'X-Forwarded-For',
      'Forwarded',
      'CF-Connecting-IP',
      'Fastly-Client-IP',
      'CloudFront-Viewer-Address',
      'X-Forwarded-Proto',
    ]
    const presets = fc.constantFrom<Trust['field'][]>(
      'x-forwarded-for',
      'forwarded',
      'cf-connecting-ip',
      'fastly-client-ip',
      'cloudfront-viewer-address',
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...names), anything), { maxLength: 8 }), presets, (sent, field) => {
        const { address: client, forwardedFor } = clientOf(directClient('10.0.0.1'), sent.flat(), trust(field))
        expect(new BlockList().check(client, isIPv6(client) ? 'ipv6' : 'ipv4')).toBe(false) // throws for what is no address
        expect(forwardedFor.split(', ')[0]).toBe(client)
        expect(forwardedFor.split(', ').at(-1)).toBe('10.0.0.1')
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('the client that a CDN names', () => {
  const of = (field: Trust['field'], headers: readonly string[], peer = '10.0.0.1') =>
    clientOf(directClient(peer), headers, trust(field)).address

  it.each<[string, Trust['field'], readonly string[], string]>([
    ['Cloudflare', 'cf-connecting-ip', ['CF-Connecting-IP', '203.0.113.4'], '203.0.113.4'],
    ['Cloudflare, IPv6', 'cf-connecting-ip', ['CF-Connecting-IP', '2001:DB8:BB:0::1'], '2001:db8:bb::1'],
    ['Fastly', 'fastly-client-ip', ['Fastly-Client-IP', ' 203.0.113.4 '], '203.0.113.4'],
    ['CloudFront', 'cloudfront-viewer-address', ['CloudFront-Viewer-Address', '203.0.113.4:46532'], '203.0.113.4'],
    [
      'CloudFront, IPv6',
      'cloudfront-viewer-address',
      ['CloudFront-Viewer-Address', '2001:db8:bb::1:443'],
      '2001:db8:bb::1',
    ],
    [
      'CloudFront, brackets',
      'cloudfront-viewer-address',
      ['CloudFront-Viewer-Address', '[2001:db8:bb::1]:443'],
      '2001:db8:bb::1',
    ],
  ])('%s', (_who, field, headers, expected) => {
    expect(of(field, headers)).toBe(expected)
    expect(of(field, [...headers, 'X-Forwarded-For', `192.0.2.200, ${expected}`]), 'as the CDN appends it').toBe(
      expected,
    )
    expect(of(field, [...headers, 'X-Forwarded-For', `${expected}, 10.3.3.3`]), 'by way of a trusted balancer').toBe(
      expected,
    )
    expect(of(field, headers, '198.51.100.9'), 'of an untrusted peer').toBe('198.51.100.9')
  })

  it('is not believed where the request came round the CDN, by a balancer that is trusted', () => {
    const forged = ['CF-Connecting-IP', '203.0.113.4', 'X-Forwarded-For', '203.0.113.4, 198.51.100.9']
    expect(of('cf-connecting-ip', forged)).toBe('198.51.100.9')
  })

  it('is the chain’s where the field is missing, sent twice, or none', () => {
    const chain = ['X-Forwarded-For', '198.51.100.9']
    const field = (value: string) => ['CF-Connecting-IP', value]
    for (const headers of [[], [...field('203.0.113.4'), ...field('203.0.113.5')], field('nobody')]) {
      expect(of('cf-connecting-ip', [...headers, ...chain])).toBe('198.51.100.9')
    }
  })
})

describe('the scheme', () => {
  const of = (field: Trust['field'], headers: readonly string[]) =>
    clientOf(directClient('10.0.0.1'), headers, trust(field)).scheme

  it.each<[Trust['field'], readonly string[], 'http' | 'https']>([
    ['x-forwarded-for', [], 'http'],
    ['x-forwarded-for', ['X-Forwarded-Proto', 'HTTPS'], 'https'],
    ['x-forwarded-for', ['X-Forwarded-Proto', 'http, https'], 'https'],
    ['x-forwarded-for', ['X-Forwarded-Proto', 'https', 'X-Forwarded-Proto', 'http'], 'http'],
    ['x-forwarded-for', ['X-Forwarded-Proto', 'gopher'], 'http'],
    ['forwarded', ['Forwarded', 'for=203.0.113.4;proto=http, for=10.0.0.2;Proto="HTTPS"'], 'https'],
    ['forwarded', ['Forwarded', 'for=203.0.113.4', 'X-Forwarded-Proto', 'https'], 'https'],
    ['cloudfront-viewer-address', ['CloudFront-Forwarded-Proto', 'https', 'X-Forwarded-Proto', 'http'], 'https'],
  ])('by %s of %j is %s', (field, headers, expected) => {
    expect(of(field, headers)).toBe(expected)
  })
})

it('the cost of a field of nonsense grows with its length, and no faster', () => {
  const fields = (length: number): [Trust['field'], string[]][] => [
    ['forwarded', ['Forwarded', `for=${' '.repeat(length)}x`]],
    ['forwarded', ['Forwarded', `for="${'\\'.repeat(length)}`]],
    ['forwarded', ['Forwarded', 'for=1;'.repeat(length / 6)]],
    ['x-forwarded-for', ['X-Forwarded-For', '10.0.0.1,'.repeat(length / 9)]],
  ]
  const leastMs = (length: number): number =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const startedAtMs = performance.now()
        for (const [field, headers] of fields(length)) clientOf(directClient('10.0.0.1'), headers, trust(field))
        return performance.now() - startedAtMs
      }),
    )
  // Ten times the length is ten times the work, and not a hundred times.
  expect(leastMs(300_000)).toBeLessThan(50 * leastMs(30_000) + 5)
})
