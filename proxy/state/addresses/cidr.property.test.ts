import { BlockList } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressText, parseAddress } from '../../facts/ip-address.ts'
import { type Cidr, covers, formatCidr, parseCidr } from './cidr.ts'

const ipv4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }))
const ipv6 = fc
  .tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }))
  .filter(([text]) => typeof parseAddress(text) !== 'number')
const range = fc.oneof(ipv4, ipv6)

const read = (text: string): Cidr => {
  const cidr = parseCidr(text)
  if (cidr === undefined) throw new Error(`${text} is none`)
  return cidr
}

describe('a range', () => {
  it('is the same however its text was written', () => {
    fc.assert(
      fc.property(range, ([address, bits]) => {
        const cidr = read(`${address}/${bits}`)
        expect(read(formatCidr(cidr))).toEqual(cidr)
        expect(read(`${addressText(cidr.address)}/${bits}`)).toEqual(cidr)
      }),
    )
  })

  it('covers the addresses that Node’s own list says it does', () => {
    fc.assert(
      fc.property(range, range, fc.nat(127), ([address, bits], [other], bit) => {
        const isIpv6 = address.includes(':')
        const family = isIpv6 ? 'ipv6' : 'ipv4'
        const list = new BlockList()
        list.addSubnet(address, bits, family)
        const outer = read(`${address}/${bits}`)
        // One that is near, so that the edges are met, and one that is anywhere.
        for (const inner of [turned(address, bit), other]) {
          if (inner.includes(':') !== isIpv6) expect(covers(outer, read(inner))).toBe(false)
          else expect(covers(outer, read(inner)), `${inner} in ${address}/${bits}`).toBe(list.check(inner, family))
        }
      }),
    )
  })

  it('covers no range that is wider', () => {
    expect(covers(read('10.0.0.0/9'), read('10.0.0.0/8'))).toBe(false)
    expect(covers(read('10.0.0.0/8'), read('10.128.0.0/9'))).toBe(true)
  })

  it('is written without its length where it is one address', () => {
    expect(
      ['192.0.2.7/32', '198.51.100.77/24', '2001:DB8::1/128', '2001:db8:0:0:1::/64'].map((text) =>
        formatCidr(read(text)),
      ),
    ).toEqual([...['192.0.2.7', '198.51.100.0/24', '2001:db8::1', '2001:db8::/64']])
  })

  it('of mapped addresses is one of IPv4, and none where it is wider than that', () => {
    expect(formatCidr(read('::ffff:10.1.2.3/104'))).toBe('10.0.0.0/8')
    expect(formatCidr(read('::ffff:10.1.2.3'))).toBe('10.1.2.3')
    expect(parseCidr('::ffff:10.1.2.3/90')).toBeUndefined()
  })

  it.each([
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/1e1',
    '::/129',
    '10.0.0',
    'example.com',
    'fe80::1%eth0',
    '10.0.0.0 /8',
  ])('%j is none', (text) => expect(parseCidr(text)).toBeUndefined())
})

const turned = (address: string, bit: number): string => {
  const parsed = parseAddress(address)
  if (typeof parsed === 'number') return addressText((parsed ^ (1 << (bit % 32))) >>> 0)
  const groups = [...(parsed as readonly number[])]
  groups[bit >> 4] = (groups[bit >> 4] as number) ^ (1 << (bit & 15))
  return addressText(groups)
}
