import type { Outcome } from '../outcome.ts'
import type { Refusal } from '../refusal.ts'

/**
 * What an exchange counts as, and why. What the client had a hand in (its own mistakes, limits, blocks, its leaving) breaks no promise; what
 * is refused for want of room does, on purpose or not.
 */
export const VERDICTS = [
  'good',
  'stale-served', // good: its reader has an answer
  'upstream', // bad, from here on: the app failed, or could not be reached
  'timeout',
  'circuit-open',
  'overload', // no room in our queue, or the route was shed
  'cut', // begun, and not ended
  'own', // our mistake
  'refused', // excluded, from here on
  'client-abort',
] as const
export type Verdict = (typeof VERDICTS)[number]

const index = Object.fromEntries(VERDICTS.map((verdict, at) => [verdict, at])) as Record<Verdict, number>
const FIRST_BAD = index.upstream
const FIRST_EXCLUDED = index.refused

export const kindOf = (at: number): 'good' | 'bad' | 'excluded' =>
  at < FIRST_BAD ? 'good' : at < FIRST_EXCLUDED ? 'bad' : 'excluded'

/**
 * Of VERDICTS; -1 for a request to Sidegate itself, which nothing was promised of.
 *
 * @param excuse who was late where the app has answered 504 for want of time
 */
export const verdictOf = ({ kind, status, refusal }: Outcome, excuse?: Refusal): number => {
  switch (kind) {
    case 'replied':
      if (excuse !== undefined) return verdictOfRefusal(excuse)
      return status >= 500 ? index.upstream : index.good
    case 'stale':
      return index['stale-served']
    case 'cut':
      return refusal?.text.fault === 'client' ? index.refused : index.cut
    case 'client-abort':
      return index['client-abort']
    case 'answered':
      return -1
    case 'refused':
      return refusal === undefined ? index.own : verdictOfRefusal(refusal)
  }
}

const verdictOfRefusal = ({ kind, text }: Refusal): number => {
  switch (kind) {
    case 'upstream-timeout':
    case 'deadline':
      return index.timeout
    case 'circuit-open':
      return index['circuit-open']
    case 'upstream-busy':
    case 'queue-deadline':
    case 'shed':
      return index.overload
    default:
      return FAULTS[text.fault]
  }
}

/** A caller's own deadline is the caller's: it had less patience than is promised. */
const FAULTS = { client: index.refused, policy: index.refused, app: index.upstream, own: index.own } as const
