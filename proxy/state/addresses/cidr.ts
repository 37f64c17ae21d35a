import { addressText, type IpAddress, parseAddress } from '../../facts/ip-address.ts'

const IPV4_BITS = 32
const IPV6_BITS = 128
const GROUP_BITS = 16

/** An address or a range (RFC 4632, RFC 4291 §2.3); the bits of `address` beyond the first `bits` are 0. */
export interface Cidr {
  readonly address: IpAddress
  readonly bits: number
}

/** Undefined for what is none. Of an IPv4-mapped range the bits of the IPv4 address count: ::ffff:10.0.0.0/104 is 10.0.0.0/8. */
export const parseCidr = (text: string): Cidr | undefined => {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const parsed = address.includes('%') ? undefined : parseAddress(address)
  if (parsed === undefined) return undefined
  const written = address.includes(':') ? IPV6_BITS : IPV4_BITS
  const bits = slash === -1 ? written : prefixLength(text.slice(slash + 1))
  if (bits === undefined || bits > written) return undefined
  if (typeof parsed !== 'number') return cidrOf(parsed, bits)
  // One that is wider than all of the mapped addresses is none of IPv4.
  const ipv4Bits = bits - (written - IPV4_BITS)
  return ipv4Bits < 0 ? undefined : cidrOf(parsed, ipv4Bits)
}

/** The range of the first `bits` of an address. */
export const cidrOf = (address: IpAddress, bits: number): Cidr => ({ address: masked(address, bits), bits })

/** One text for one range: RFC 5952, and no length where it is a single address. */
export const formatCidr = ({ address, bits }: Cidr): string =>
  bits === (typeof address === 'number' ? IPV4_BITS : IPV6_BITS)
    ? addressText(address)
    : `${addressText(address)}/${bits}`

/** Whether all of `inner` is in `outer`. */
export const covers = (outer: Cidr, inner: Cidr): boolean =>
  typeof outer.address === typeof inner.address &&
  outer.bits <= inner.bits &&
  formatCidr(cidrOf(inner.address, outer.bits)) === formatCidr(outer)

const prefixLength = (text: string): number | undefined => (/^\d{1,3}$/.test(text) ? Number(text) : undefined)

const masked = (address: IpAddress, bits: number): IpAddress => {
  // A shift by 32 is one by 0 in JavaScript.
  if (typeof address === 'number') return bits === 0 ? 0 : (address & (-1 << (IPV4_BITS - bits))) >>> 0
  return address.map((group, index) => {
    const kept = Math.min(Math.max(bits - index * GROUP_BITS, 0), GROUP_BITS)
    return group & (0xffff << (GROUP_BITS - kept)) & 0xffff
  })
}
