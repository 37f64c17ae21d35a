import { isIPv6 } from 'node:net'

const GROUPS = 8
const GROUP_BITS = 16
const COLON = 0x3a
const NINE = 0x39

/**
 * Who counts as one client: an IPv4 address, or the first bits of an IPv6 address, as `2001:db8:0:7::/64`. One customer
 * has a whole IPv6 prefix to choose addresses from. An IPv4-mapped IPv6 address is IPv4; what is no address, as the
 * `unknown` of a Unix socket, stays as it is.
 */
export const addressPrefix = (address: string, ipv6PrefixBits: number): string => {
  if (!address.includes(':') || !isIPv6(address)) return address
  const groups = groupsOf(address)
  if (isMapped(groups)) return ipv4Of(groups)
  const kept = Math.ceil(ipv6PrefixBits / GROUP_BITS)
  let prefix = ''
  for (let index = 0; index < kept; index++) {
    const droppedBits = Math.max((index + 1) * GROUP_BITS - ipv6PrefixBits, 0)
    const group = ((groups[index] as number) >> droppedBits) << droppedBits
    prefix += index === 0 ? group.toString(16) : `:${group.toString(16)}`
  }
  return kept < GROUPS ? `${prefix}::/${ipv6PrefixBits}` : `${prefix}/${ipv6PrefixBits}`
}

/** The eight numbers of a valid address; a zone, as in `fe80::1%eth0`, is left out. */
const groupsOf = (address: string): readonly number[] => {
  const zoneStart = address.indexOf('%')
  const ipv4Start = address.includes('.') ? address.lastIndexOf(':') + 1 : -1
  const end = ipv4Start !== -1 ? ipv4Start : zoneStart !== -1 ? zoneStart : address.length
  const groups = [0, 0, 0, 0, 0, 0, 0, 0]
  let count = 0
  let gapAt = GROUPS
  let group = 0
  for (let at = 0; at < end; at++) {
    const code = address.charCodeAt(at)
    if (code !== COLON) group = group * 16 + (code <= NINE ? code & 15 : (code & 7) + 9)
    else if (at > 0 && address.charCodeAt(at - 1) === COLON) gapAt = count
    else if (at > 0) {
      groups[count++] = group
      group = 0
    }
  }
  if (ipv4Start !== -1) {
    const [a, b, c, d] = address.slice(ipv4Start, zoneStart === -1 ? undefined : zoneStart).split('.')
    groups[count++] = Number(a) * 256 + Number(b)
    groups[count++] = Number(c) * 256 + Number(d)
  } else if (address.charCodeAt(end - 1) !== COLON) groups[count++] = group
  // What stands behind the `::` belongs at the end.
  const gap = GROUPS - count
  for (let index = count - 1; index >= gapAt; index--) {
    groups[index + gap] = groups[index] as number
    groups[index] = 0
  }
  return groups
}

const isMapped = ([a, b, c, d, e, f]: readonly number[]): boolean =>
  a === 0 && b === 0 && c === 0 && d === 0 && e === 0 && f === 0xffff

const ipv4Of = (groups: readonly number[]): string => {
  const [high = 0, low = 0] = groups.slice(-2)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}
