import { addressPrefix } from '../facts/address-prefix.ts'
import { addressText, type IpAddress } from '../facts/ip-address.ts'
import { formatCidr, parseCidr } from '../state/addresses/cidr.ts'
import type { Block } from '../state/blocks/block.ts'
import type { EmergencyState } from '../state/emergency/emergency-state.ts'
import type { Policy } from '../state/policy/schema.ts'
import { timeText } from './block-fields.ts'
import { type NeverBlocked, neverBlocked } from './never-blocked.ts'

/** What a client has done that may lead to a block. */
export interface ToldViolation {
  /** As ISO 8601 has it. */
  readonly at: string
  readonly kind: string
  readonly limits: readonly string[]
  readonly method: string
  readonly route: string | null
  readonly path: string
}

/** Violations by the range that counts as one client. */
export interface ViolationsByClient {
  /** Those that led to its block, kept with that. */
  evidence(range: string): Promise<readonly ToldViolation[]>
  /** The last ones that this instance has seen. */
  recent(range: string): readonly ToldViolation[]
  /** Within the window of the policy, in the fleet. */
  count(range: string): number
}

export interface Verdict {
  readonly verdict: 'blocked' | 'allowed' | 'free'
  /** A sentence or two for people. */
  readonly because: string
  readonly allowedBy: NeverBlocked | null
}

/** The range that counts as one client, as blocks have it. */
export const clientRange = (address: IpAddress, policy: Policy): string => {
  const cidr = parseCidr(addressPrefix(addressText(address), policy.trustedProxies.ipv6PrefixBits))
  return cidr === undefined ? addressText(address) : formatCidr(cidr)
}

/** So many violations lead to a block now. */
export const violationsThreshold = (policy: Policy, state: EmergencyState | undefined): number => {
  const { violations } = policy.blocking
  const isOn = state !== undefined && state !== 'calm'
  return isOn ? Math.max(1, Math.ceil(violations * policy.emergency.violationsFactor)) : violations
}

/** @param covering all blocks that cover the address, those that have passed included */
export const verdictOn = (address: IpAddress, covering: readonly Block[], policy: Policy, nowMs: number): Verdict => {
  const text = addressText(address)
  const holding = covering.filter(({ untilMs }) => untilMs > nowMs)
  const cidr = parseCidr(text)
  const allowedBy = (cidr && neverBlocked(policy, cidr)) ?? null
  if (allowedBy !== null) {
    const lies = allowedBy.range === text ? 'is' : `lies in ${allowedBy.range},`
    const inVain = holding.length === 0 ? '' : ` ${covered(holding.length, '')} it without effect.`
    return {
      verdict: 'allowed',
      because: `${text} ${lies} one of ${allowedBy.by} of the policy, which are never blocked.${inVain}`,
      allowedBy,
    }
  }
  const [first, ...more] = holding.toSorted((one, other) => other.untilMs - one.untilMs)
  if (first !== undefined) {
    const others = more.length === 0 ? '' : ` ${covered(more.length, ' more')} it.`
    return { verdict: 'blocked', because: `${blockedBecause(first)}${others}`, allowedBy }
  }
  return { verdict: 'free', because: freeBecause(text, covering), allowedBy }
}

const blockedBecause = ({ range, source, author, sinceMs, untilMs, reason, count }: Block): string => {
  const who = source === 'manual' ? `by ${author}` : 'by Sidegate itself'
  const until = untilMs === Number.POSITIVE_INFINITY ? 'without an end' : `until ${timeText(untilMs)}`
  const times = count > 1 ? `, the ${ordinal(count)} time in a row` : ''
  return `${range} is blocked ${who} since ${timeText(sinceMs)}, ${until}${times}${reason === '' ? '.' : `: ${reason}.`}`
}

const freeBecause = (text: string, passed: readonly Block[]): string => {
  const last = passed.toSorted((one, other) => other.untilMs - one.untilMs)[0]
  return last === undefined
    ? `No block covers ${text}.`
    : `No block that covers ${text} holds any more; the last, of ${last.range}, ended at ${timeText(last.untilMs)}.`
}

const covered = (count: number, more: string): string =>
  count === 1 ? `1${more} block covers` : `${count}${more} blocks cover`

const ordinal = (count: number): string => {
  const ending = Math.floor(count / 10) % 10 === 1 ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th')
  return `${count}${ending}`
}
