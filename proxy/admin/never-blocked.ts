import { type Cidr, covers, parseCidr } from '../state/addresses/cidr.ts'
import { LOOPBACK } from '../state/policy/compile.ts'
import type { Policy } from '../state/policy/schema.ts'

/** A range of the policy that no block has an effect on, and which part of the policy has it. */
export interface NeverBlocked {
  readonly range: string
  readonly by: 'blocking.allow' | 'trustedProxies.ranges' | 'this machine'
}

/** The first that covers all of a range; undefined where none does. */
export const neverBlocked = (policy: Policy, inner: Cidr): NeverBlocked | undefined => {
  const covering = (ranges: readonly string[]) =>
    ranges.find((range) => {
      const outer = parseCidr(range)
      return outer !== undefined && covers(outer, inner)
    })
  const allowed = covering(policy.blocking.allow)
  if (allowed !== undefined) return { range: allowed, by: 'blocking.allow' }
  const trusted = covering(policy.trustedProxies.ranges)
  if (trusted !== undefined) return { range: trusted, by: 'trustedProxies.ranges' }
  const own = covering(LOOPBACK)
  return own === undefined ? undefined : { range: own, by: 'this machine' }
}
