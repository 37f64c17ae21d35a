import type { Clock } from '#shared/clock.ts'
import { PASS, type PolicyLayer } from '../layer.ts'
import { type Refusal, refusal } from '../refusal.ts'
import { setHeader } from '../reply.ts'
import { limitKey } from '../state/limits/limit-key.ts'
import type { Claim, LimitStates } from '../state/limits/limit-states.ts'
import { quotaMember, retryAfterSeconds } from '../state/limits/rate-limit-fields.ts'
import type { CompiledRoute } from '../state/policy/compile.ts'
import type { ViolationSink } from '../state/violations/violation.ts'

/** What the limits need from outside. */
export interface RateLimiting {
  readonly states: LimitStates
  /** Living instances: each enforces its share. */
  readonly fleet: { readonly size: number }
  readonly clock: Clock
  /** Each refusal is one. */
  readonly violations: ViolationSink
}

/** Refuses what is more than the limits of its route allow, and tells who is let through how much is left. */
export const rateLimit = ({ states, fleet, clock, violations }: RateLimiting): PolicyLayer => ({
  name: 'rate-limit',
  admit(facts) {
    const { policy, route } = facts
    if (route === undefined || route.limits.length === 0) return PASS
    const nowMs = clock.monotonicMs()
    const claims = route.limits.map((limit) =>
      states.claim(policy, limit, limitKey(limit.key, facts, route), fleet.size, nowMs),
    )
    // All are asked before any is charged: a request that one limit refuses uses up nothing of the others.
    const refused = claims.some(({ decision }) => !decision.isAdmitted)
    if (refused) {
      const tooManyRequests = tooMany(claims, route)
      violations.record(facts, 'rate-limited', tooManyRequests.reason ?? '')
      return tooManyRequests
    }
    for (const claim of claims) claim.charge()
    facts.rateLimit = rateLimitField(claims)
    return PASS
  },
  onReply({ rateLimit, route }, head) {
    if (rateLimit === undefined || route === undefined) return
    setHeader(head.headers, 'RateLimit-Policy', route.rateLimitPolicy)
    setHeader(head.headers, 'RateLimit', rateLimit)
  },
})

/** Tells how long to wait until none of the limits refuses. */
const tooMany = (claims: readonly Claim[], route: CompiledRoute): Refusal => {
  let waitMs = 0
  let reason = ''
  for (const { limit, decision } of claims) {
    if (decision.isAdmitted) continue
    waitMs = Math.max(waitMs, decision.retryAfterMs)
    reason += reason === '' ? limit.reason : `, ${limit.reason}`
  }
  const headers = ['Retry-After', String(retryAfterSeconds(waitMs))]
  const left = rateLimitField(claims)
  if (left !== undefined) headers.push('RateLimit-Policy', route.rateLimitPolicy, 'RateLimit', left)
  return { ...refusal('rate-limited', reason), headers }
}

/** Of the limits that are announced; undefined where none is. */
const rateLimitField = (claims: readonly Claim[]): string | undefined => {
  let field: string | undefined
  for (const { limit, quota } of claims) {
    if (!limit.announce) continue
    const { remaining, resetMs } = quota()
    const member = quotaMember(limit.name, remaining, resetMs)
    field = field === undefined ? member : `${field}, ${member}`
  }
  return field
}
