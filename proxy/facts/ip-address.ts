import { isIPv4, isIPv6 } from 'node:net'

const GROUPS = 8
const COLON = 0x3a
const NINE = 0x39

/** An address: IPv4 as one number of 32 bits, IPv6 as eight of 16. An IPv4-mapped IPv6 address is IPv4. */
export type IpAddress = number | readonly number[]

/** Undefined for what is no address. A zone, as in `fe80::1%eth0`, is left out. */
export const parseAddress = (text: string): IpAddress | undefined => {
  if (isIPv4(text)) return ipv4Number(text)
  if (!isIPv6(text)) return undefined
  const groups = groupsOf(text)
  return isMapped(groups) ? (groups[6] as number) * 0x1_0000 + (groups[7] as number) : groups
}

/** As RFC 5952 has it: one text for one address. */
export const addressText = (address: IpAddress): string =>
  typeof address === 'number'
    ? `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
    : ipv6Text(address)

const ipv4Number = (text: string): number => {
  let address = 0
  let octet = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0x30) octet = octet * 10 + (code & 15)
    else {
      address = address * 256 + octet
      octet = 0
    }
  }
  return address * 256 + octet
}

/** The longest run of zeros is `::`, of several the first; one group alone is written out. */
const ipv6Text = (groups: readonly number[]): string => {
  let [longestAt, longest] = [-1, 1]
  for (let at = 0; at < GROUPS; at++) {
    let end = at
    while (end < GROUPS && groups[end] === 0) end++
    if (end - at > longest) [longestAt, longest] = [at, end - at]
    at = Math.max(at, end - 1)
  }
  const text = (some: readonly number[]) => some.map((group) => group.toString(16)).join(':')
  return longestAt === -1
    ? text(groups)
    : `${text(groups.slice(0, longestAt))}::${text(groups.slice(longestAt + longest))}`
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
