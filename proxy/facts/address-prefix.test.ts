import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressPrefix } from './address-prefix.ts'

describe('a client is', () => {
  it.each([
    ['an IPv4 address', '192.0.2.7', 64, '192.0.2.7'],
    ['the network of an IPv6 address', '2001:db8:0:7:aaaa:bbbb:cccc:dddd', 64, '2001:db8:0:7::/64'],
    ['the same for one written short', '2001:db8:0:7::1', 64, '2001:db8:0:7::/64'],
    ['a prefix that ends within a group', '2001:db8:0:7fff::1', 52, '2001:db8:0:7000::/52'],
    ['a short prefix', '2001:db8:ffff::1', 32, '2001:db8::/32'],
    ['a whole address', '2001:DB8::1', 128, '2001:db8:0:0:0:0:0:1/128'],
    ['one address less a bit', '2001:db8::1', 127, '2001:db8:0:0:0:0:0:0/127'],
    ['the loopback network', '::1', 64, '0:0:0:0::/64'],
    ['any', '::', 64, '0:0:0:0::/64'],
    ['one that ends in zeros', '2001:db8::', 64, '2001:db8:0:0::/64'],
    ['one on a link, whatever the link', 'fe80::1%eth0', 64, 'fe80:0:0:0::/64'],
    ['IPv4 in IPv6', '::ffff:192.0.2.7', 64, '192.0.2.7'],
    ['IPv4 in IPv6, in hexadecimal', '::FFFF:c000:207', 64, '192.0.2.7'],
    ['IPv4 in IPv6, written out', '0:0:0:0:0:ffff:192.0.2.7', 128, '192.0.2.7'],
    ['a translated IPv4 address, which is IPv6', '64:ff9b::192.0.2.7', 128, '64:ff9b:0:0:0:0:c000:207/128'],
    ['nobody', 'unknown', 64, 'unknown'],
    ['no address', '1:2', 64, '1:2'],
  ])('%s', (_what, address, bits, client) => {
    expect(addressPrefix(address, bits)).toBe(client)
  })
})

it('two addresses are one client exactly if their first bits are the same', () => {
  const address = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
  const text = (groups: readonly number[]) => groups.map((group) => group.toString(16)).join(':')
  const bitsOf = (groups: readonly number[]) => groups.map((group) => group.toString(2).padStart(16, '0')).join('')
  fc.assert(
    fc.property(address, fc.integer({ min: 32, max: 128 }), fc.nat(127), (groups, prefixBits, flipped) => {
      const other = groups.with(flipped >> 4, (groups[flipped >> 4] as number) ^ (0x8000 >> (flipped & 15)))
      fc.pre(!bitsOf(groups).startsWith('0'.repeat(80)) && !bitsOf(other).startsWith('0'.repeat(80)))
      const isSame = addressPrefix(text(groups), prefixBits) === addressPrefix(text(other), prefixBits)
      expect(isSame).toBe(flipped >= prefixBits)
    }),
  )
})
