import { addressText, parseAddress } from './ip-address.ts'

const GROUPS = 8
const GROUP_BITS = 16

/**
 * Who counts as one client: an IPv4 address, or the first bits of an IPv6 address, as `2001:db8:0:7::/64`. One customer
 * has a whole IPv6 prefix to choose addresses from. An IPv4-mapped IPv6 address is IPv4; what is no address, as the
 * `unknown` of a Unix socket, stays as it is.
 */
export const addressPrefix = (address: string, ipv6PrefixBits: number): string => {
  // What has no colon is IPv4, or no address: it stays as it is.
  const groups = address.includes(':') ? parseAddress(address) : undefined
  if (groups === undefined) return address
  if (typeof groups === 'number') return addressText(groups)
  const kept = Math.ceil(ipv6PrefixBits / GROUP_BITS)
  let prefix = ''
  for (let index = 0; index < kept; index++) {
    const droppedBits = Math.max((index + 1) * GROUP_BITS - ipv6PrefixBits, 0)
    const group = ((groups[index] as number) >> droppedBits) << droppedBits
    prefix += index === 0 ? group.toString(16) : `:${group.toString(16)}`
  }
  return kept < GROUPS ? `${prefix}::/${ipv6PrefixBits}` : `${prefix}/${ipv6PrefixBits}`
}
