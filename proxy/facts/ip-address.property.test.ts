import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressText, parseAddress } from './ip-address.ts'

/** RFC 5952, by the URL parser of WHATWG. */
const byUrl = (ipv6: string): string => new URL(`http://[${ipv6}]`).hostname.slice(1, -1)

describe('the text of an address', () => {
  it('is that of RFC 5952 for every IPv6 address, however it was written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (given) => {
        const expected = byUrl(given)
        fc.pre(!expected.startsWith('::ffff:'))
        expect(addressText(parseAddress(given) as readonly number[])).toBe(expected)
        expect(addressText(parseAddress(given.toUpperCase()) as readonly number[])).toBe(expected)
      }),
      { numRuns: 2_000 },
    )
  })

  it('of an IPv4 address is that address, also where it is mapped', () => {
    fc.assert(
      fc.property(fc.ipV4(), (given) => {
        for (const written of [given, `::ffff:${given}`, `::FFFF:${given}`, byUrl(`::ffff:${given}`)]) {
          expect(addressText(parseAddress(written) as number)).toBe(given)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it.each([
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['fe80::1%eth0', 'fe80::1'],
  ])('%s is %s', (given, expected) => {
    expect(addressText(parseAddress(given) as readonly number[])).toBe(expected)
  })

  it.each([
    '',
    'unknown',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    '0x1.2.3.4',
    ':::',
    '1::2::3',
    '[::1]',
    '::1/64',
    '12345::',
  ])('%j is no address', (given) => {
    expect(parseAddress(given)).toBeUndefined()
  })
})
