import { type Cidr, formatCidr } from '../addresses/cidr.ts'

/** The largest that registries have given to anybody (IPv4), and more than any provider has (IPv6). */
const WIDEST_BITS = { ipv4: 8, ipv6: 19 } as const

/** A slip of the pen must not block the world: so wide a range is blocked where it is named twice. */
export const isWide = ({ address, bits }: Cidr): boolean =>
  bits < (typeof address === 'number' ? WIDEST_BITS.ipv4 : WIDEST_BITS.ipv6)

export const wideRangeProblem = (cidr: Cidr, remedy: string): string =>
  `${formatCidr(cidr)} is wider than /${typeof cidr.address === 'number' ? WIDEST_BITS.ipv4 : WIDEST_BITS.ipv6}: ${remedy}`
