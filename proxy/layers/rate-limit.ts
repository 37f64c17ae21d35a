import type { Clock } from '#shared/clock.ts'
import { type Facts, Later, PASS, type PolicyLayer, type Verdict } from '../layer.ts'
import { type Refusal, refusal } from '../refusal.ts'
import { setHeader } from '../reply.ts'
import { type Circumstances, type Claim, claimOf, longestPeriodMs } from '../state/limits/claim.ts'
import type { ExactDecision, ExactLimits } from '../state/limits/exact-limits.ts'
import { remaining, resetMs } from '../state/limits/gcra.ts'
import { limitKey } from '../state/limits/limit-key.ts'
import type { LimitStates } from '../state/limits/limit-states.ts'
import { quotaMember, retryAfterSeconds } from '../state/limits/rate-limit-fields.ts'
import type { CompiledLimit, CompiledRoute } from '../state/policy/compile.ts'
import type { ViolationSink } from '../state/violations/violation.ts'

/** What the limits need from outside. */
export interface RateLimiting {
  readonly states: LimitStates
  /** Decides about limits that are `exact`; undefined where nobody is asked, and they are as the others. */
  readonly exact: ExactLimits | undefined
  /** Living instances. */
  readonly fleet: { readonly size: number }
  readonly clock: Clock
}

/**
 * Refuses what is more than the limits of its route allow, and tells who is let through how much is left.
 *
 * @param violations is told of each refusal by a limit that is the client's own
 */
export const rateLimit = ({ states, exact, fleet, clock }: RateLimiting, violations: ViolationSink): PolicyLayer => {
  const circumstances = ({ emergency }: Facts): Circumstances => ({
    isCalm: emergency === 'calm',
    fleetSize: fleet.size,
    nowMs: clock.monotonicMs(),
  })

  const claim = (facts: Facts, route: CompiledRoute, limit: CompiledLimit, now: Circumstances): Claim => {
    const state = states.of(facts.policy, limit, now.nowMs)
    const key = limitKey(limit.key, facts, route)
    const bucket = state.buckets.get(key, now.nowMs, limit, longestPeriodMs(limit, now.fleetSize))
    return claimOf(limit, state, bucket, state.isAlone[bucket.slot] === 1, now)
  }

  const admit = (facts: Facts, claims: readonly Claim[], nowMs: number): typeof PASS => {
    facts.rateLimit = rateLimitField(claims, nowMs)
    return PASS
  }

  const refuse = (facts: Facts, route: CompiledRoute, claims: readonly Claim[], nowMs: number): Refusal => {
    const refused = tooMany(claims, rateLimitPolicy(facts, route), nowMs)
    // A limit that all clients of a route share says nothing of the one that it happens to refuse.
    if (claims.some(isOnesOwnFault)) violations.record(facts, 'rate-limited', refused.reason ?? '')
    return refused
  }

  /** Of what Redis has admitted nothing is used up where another limit refuses: it is given back. */
  const askRedis = async (
    limits: ExactLimits,
    facts: Facts,
    route: CompiledRoute,
    before: readonly Claim[],
  ): Promise<Verdict> => {
    const decisions = await Promise.all(before.map((one) => (isForRedis(one) ? limits.decide(one) : undefined)))
    const now = circumstances(facts)
    // Others may have come meanwhile: what is decided here is decided by how it stands now.
    const claims = before.map((one, index) => reviewed(one, decisions[index], now))
    const isRefused = claims.some(refuses)
    for (const [index, one] of claims.entries()) {
      const isCounted = decisions[index] === 'admitted'
      if (isRefused && isCounted) limits.giveBack(one)
      else if (!isRefused && !isCounted) states.charge(one, now.nowMs)
    }
    return isRefused ? refuse(facts, route, claims, now.nowMs) : admit(facts, claims, now.nowMs)
  }

  return {
    name: 'rate-limit',
    admit(facts) {
      const { route } = facts
      if (route === undefined || route.limits.length === 0) return PASS
      const now = circumstances(facts)
      const claims: Claim[] = []
      for (const limit of route.limits) claims.push(claim(facts, route, limit, now))
      // All are asked before any is charged: a request that one limit refuses uses up nothing of the others. What is known here of
      // an exact limit is never more than has been used of it: whom that refuses, Redis would refuse.
      if (claims.some(refuses)) return refuse(facts, route, claims, now.nowMs)
      if (exact !== undefined && claims.some(isForRedis)) {
        return new Later(askRedis(exact, facts, route, claims))
      }
      for (const one of claims) states.charge(one, now.nowMs)
      return admit(facts, claims, now.nowMs)
    },
    onReply(facts, head) {
      const { rateLimit, route } = facts
      if (rateLimit === undefined || route === undefined) return
      setHeader(head.headers, 'RateLimit-Policy', rateLimitPolicy(facts, route))
      setHeader(head.headers, 'RateLimit', rateLimit)
    },
  }
}

const refuses = ({ waitMs }: Claim): boolean => waitMs > 0

const isOnesOwnFault = (claim: Claim): boolean => refuses(claim) && claim.limit.key.by !== 'route'

const isForRedis = ({ limit, isAlone }: Claim): boolean => limit.isExact && !isAlone

/** A claim after Redis has been asked, or could not be: without its decision, this instance grants its share. */
const reviewed = (
  { limit, state, bucket, isAlone }: Claim,
  decision: ExactDecision | undefined,
  now: Circumstances,
): Claim => {
  const claim = claimOf(limit, state, bucket, isAlone || decision === 'unknown', now)
  if (decision === 'admitted') return { ...claim, waitMs: 0 }
  return decision === 'refused' ? { ...claim, waitMs: Math.max(claim.waitMs, 1) } : claim
}

const rateLimitPolicy = ({ emergency }: Facts, route: CompiledRoute): string =>
  emergency === 'calm' ? route.rateLimitPolicy : route.emergencyRateLimitPolicy

/** Tells how long to wait until none of the limits refuses. */
const tooMany = (claims: readonly Claim[], rateLimitPolicy: string, nowMs: number): Refusal => {
  let longestMs = 0
  let reason = ''
  for (const { limit, waitMs } of claims) {
    if (waitMs === 0) continue
    longestMs = Math.max(longestMs, waitMs)
    reason += reason === '' ? limit.reason : `, ${limit.reason}`
  }
  const headers = ['Retry-After', String(retryAfterSeconds(longestMs))]
  const left = rateLimitField(claims, nowMs)
  if (left !== undefined) headers.push('RateLimit-Policy', rateLimitPolicy, 'RateLimit', left)
  return { ...refusal('rate-limited', reason), headers }
}

/** Of the limits that are announced; undefined where none is. */
const rateLimitField = (claims: readonly Claim[], nowMs: number): string | undefined => {
  let field: string | undefined
  for (const { limit, bucket, rate } of claims) {
    if (!limit.announce) continue
    const left = remaining(rate, bucket.arrivalMs, nowMs)
    const member = quotaMember(limit.name, left, resetMs(bucket.arrivalMs, nowMs))
    field = field === undefined ? member : `${field}, ${member}`
  }
  return field
}
