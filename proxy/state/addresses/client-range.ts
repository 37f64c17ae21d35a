import type { IpAddress } from '../../facts/ip-address.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import { cidrOf, formatCidr } from './cidr.ts'

const IPV4_BITS = 32

/** Who counts as one client, as a range that can be blocked: an IPv4 address, or a prefix of IPv6 as the policy has it. */
export const clientRange = (address: IpAddress, { policy }: Pick<CompiledPolicy, 'policy'>): string =>
  formatCidr(cidrOf(address, typeof address === 'number' ? IPV4_BITS : policy.trustedProxies.ipv6PrefixBits))
