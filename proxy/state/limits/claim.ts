import type { CompiledLimit } from '../policy/compile.ts'
import type { Bucket } from './bucket.ts'
import { partOf, type Rate, waitMs } from './gcra.ts'
import type { LimitState } from './limit-states.ts'

/** A request before one limit. */
export interface Claim {
  readonly limit: CompiledLimit
  readonly state: LimitState
  readonly bucket: Bucket
  /** Whether nothing is heard of the others, so that this instance grants its share. */
  readonly isAlone: boolean
  /** By which it is decided. */
  readonly rate: Rate
  /** Until the request would be admitted; 0 where it is. */
  readonly waitMs: number
}

/** What decisions depend on besides the limit. */
export interface Circumstances {
  readonly isCalm: boolean
  /** Living instances. */
  readonly fleetSize: number
  /** Monotonic. */
  readonly nowMs: number
}

/** How a request stands before a limit, by what is known here. */
export const claimOf = (
  limit: CompiledLimit,
  state: LimitState,
  bucket: Bucket,
  isAlone: boolean,
  { isCalm, fleetSize, nowMs }: Circumstances,
): Claim => {
  const whole = isCalm ? limit.rate : limit.emergencyRate
  const rate = isAlone && fleetSize > 1 ? partOf(whole, fleetSize) : whole
  return { limit, state, bucket, isAlone, rate, waitMs: waitMs(rate, bucket.arrivalMs, nowMs) }
}

/** After which a bucket of the limit is full again at the latest, whatever the circumstances. */
export const longestPeriodMs = ({ rate, emergencyRate }: CompiledLimit, fleetSize: number): number =>
  Math.max(rate.capacityMs, emergencyRate.emissionMs * fleetSize)
