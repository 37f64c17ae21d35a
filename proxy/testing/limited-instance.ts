import { type Claim, claimOf, longestPeriodMs } from '../state/limits/claim.ts'
import type { LimitStates } from '../state/limits/limit-states.ts'
import type { CompiledLimit, CompiledPolicy } from '../state/policy/compile.ts'

/** A request before a limit, as the layer has it. */
export const claimIn = (
  states: LimitStates,
  policy: CompiledPolicy,
  limitName: string,
  key: string,
  now: { readonly nowMs: number; readonly fleetSize?: number; readonly isCalm?: boolean },
): Claim => {
  const limit = policy.limits.get(limitName) as CompiledLimit
  const { nowMs, fleetSize = 1, isCalm = true } = now
  const state = states.of(policy, limit, nowMs)
  const bucket = state.buckets.get(key, nowMs, limit, longestPeriodMs(limit, fleetSize))
  return claimOf(limit, state, bucket, state.isAlone[bucket.slot] === 1, { isCalm, fleetSize, nowMs })
}

/** Whether a request is admitted; if so it counts. */
export const admitsIn = (
  states: LimitStates,
  ...rest: Parameters<typeof claimIn> extends [unknown, ...infer Rest] ? Rest : never
): boolean => {
  const claim = claimIn(states, ...rest)
  if (claim.waitMs > 0) return false
  states.charge(claim, rest[3].nowMs)
  return true
}
