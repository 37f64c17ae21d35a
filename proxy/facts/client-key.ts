import type { CompiledPolicy } from '../state/policy/compile.ts'
import { addressPrefix } from './address-prefix.ts'

/** Who counts as one client, as limits by address have it. */
export const clientKey = (facts: { readonly clientAddress: string; readonly policy: CompiledPolicy }): string =>
  addressPrefix(facts.clientAddress, facts.policy.policy.trustedProxies.ipv6PrefixBits)
