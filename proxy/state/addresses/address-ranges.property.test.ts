import { BlockList, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addressText, parseAddress } from '../../facts/ip-address.ts'
import { AddressRanges } from './address-ranges.ts'

const range = fc.oneof(
  fc.tuple(fc.ipV4(), fc.option(fc.integer({ min: 0, max: 32 }))),
  fc.tuple(fc.ipV6(), fc.option(fc.integer({ min: 0, max: 128 }))),
)

/** Near the range, so that its edges are met: the address with one bit turned. */
const neighbour = (address: string, bit: number): string => {
  const parsed = parseAddress(address)
  if (typeof parsed === 'number') return addressText((parsed ^ (1 << (bit % 32))) >>> 0)
  const groups = [...(parsed as readonly number[])]
  groups[bit >> 4] = (groups[bit >> 4] as number) ^ (1 << (bit & 15))
  return addressText(groups)
}

const isMapped = (text: string): boolean => isIPv6(text) && typeof parseAddress(text) === 'number'

it('ranges hold the addresses that Node’s own list holds', () => {
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 20 }),
      fc.array(fc.nat(127), { minLength: 1, maxLength: 8 }),
      (given, bits) => {
        fc.pre(given.every(([address]) => !isMapped(address)))
        // One for each family: for Node ::/0 takes in IPv4, and here IPv4 is IPv4.
        const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
        for (const [address, length] of given) {
          const family = isIPv6(address) ? 'ipv6' : 'ipv4'
          if (length === null) lists[family].addAddress(address, family)
          else lists[family].addSubnet(address, length, family)
        }
        const ranges = new AddressRanges(
          given.map(([address, length]) => (length === null ? address : `${address}/${length}`)),
        )
        expect(ranges.isEmpty).toBe(given.length === 0)
        const asked = given.flatMap(([address]) => [address, ...bits.map((bit) => neighbour(address, bit))])
        for (const address of [...asked, '192.0.2.1', '2001:db8::1']) {
          if (isMapped(address)) continue
          const family = isIPv6(address) ? 'ipv6' : 'ipv4'
          const expected = lists[family].check(address, family)
          expect(ranges.has(parseAddress(address) as number), address).toBe(expected)
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

it('a range of IPv4-mapped addresses is one of IPv4', () => {
  const ranges = new AddressRanges(['::ffff:10.0.0.0/104', '::ffff:192.0.2.7'])
  expect(
    ['10.255.0.1', '192.0.2.7', '11.0.0.1', '192.0.2.8'].map((one) => ranges.has(parseAddress(one) as number)),
  ).toEqual([...[true, true, false, false]])
})
