import { addressText, type IpAddress } from '../facts/ip-address.ts'
import { parseCidr } from '../state/addresses/cidr.ts'
import type { Block } from '../state/blocks/block.ts'
import type { CompiledPolicy } from '../state/policy/compile.ts'
import type { Policy } from '../state/policy/schema.ts'
import type { Violation } from '../state/violations/violation.ts'
import { timeText } from './block-fields.ts'
import { type NeverBlocked, neverBlocked } from './never-blocked.ts'

/** Violations by the range that counts as one client. */
export interface ViolationsByClient {
  /** Those that led to its block, kept with that. */
  evidence(range: string): Promise<readonly Violation[]>
  /** The last ones that this instance has seen. */
  recent(range: string): readonly Violation[]
  /** Within the window of the policy, in the fleet. */
  count(range: string, policy: Pick<CompiledPolicy, 'policy'>): number
}

export interface Verdict {
  readonly verdict: 'blocked' | 'allowed' | 'free'
  /** A sentence or two for people. */
  readonly because: string
  readonly allowedBy: NeverBlocked | null
}

/** @param covering all blocks that cover the address, those that have passed included */
export const verdictOn = (address: IpAddress, covering: readonly Block[], policy: Policy, nowMs: number): Verdict => {
  const text = addressText(address)
  const holding = covering.filter(({ untilMs }) => untilMs > nowMs)
  const cidr = parseCidr(text)
  const allowedBy = (cidr && neverBlocked(policy, cidr)) ?? null
  if (allowedBy !== null) {
    const lies = allowedBy.range === text ? 'is' : `lies in ${allowedBy.range},`
    const whose =
      allowedBy.by === 'this machine'
        ? 'the addresses of this machine, which are'
        : `one of ${allowedBy.by} of the policy, which are`
    const inVain = holding.length === 0 ? '' : ` ${covered(holding.length, '')} it without effect.`
    return {
      verdict: 'allowed',
      because: `${text} ${lies} ${whose} never blocked.${inVain}`,
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
