/**
 * The generic cell rate algorithm (ITU-T I.371): a leaky bucket that is one number a client, the theoretical arrival
 * time, at which a client that keeps to the rate would send its next request. Each request moves it on by the emission
 * interval; one that finds it further ahead than the capacity allows is refused, and moves nothing.
 *
 * Times are milliseconds of one monotonic clock. A new client's arrival time is anything up to now.
 */

export interface Rate {
  /** Between two requests of a client that keeps to the rate. */
  readonly emissionMs: number
  /** Burst × emission, and no less than one emission: how far ahead of its rate a client may be. */
  readonly capacityMs: number
}

/** Sums of doubles are a little off: a request so little before its time is in time. */
export const ROUNDING_MS = 1e-4

/** @returns until one more request would be admitted; 0 where it is */
export const waitMs = ({ emissionMs, capacityMs }: Rate, arrivalMs: number, nowMs: number): number => {
  const earlyMs = Math.max(arrivalMs, nowMs) + emissionMs - capacityMs - nowMs
  return earlyMs <= ROUNDING_MS ? 0 : earlyMs
}

/** The theoretical arrival time after a request that has been admitted. */
export const afterRequest = ({ emissionMs }: Rate, arrivalMs: number, nowMs: number): number =>
  Math.max(arrivalMs, nowMs) + emissionMs

/** Requests that would be admitted at once. */
export const remaining = ({ emissionMs, capacityMs }: Rate, arrivalMs: number, nowMs: number): number => {
  const left = Math.floor((capacityMs - resetMs(arrivalMs, nowMs) + ROUNDING_MS) / emissionMs)
  return Math.max(0, Math.min(left, Math.round(capacityMs / emissionMs)))
}

/** Until all of the burst is back. */
export const resetMs = (arrivalMs: number, nowMs: number): number => Math.max(arrivalMs - nowMs, 0)

/**
 * A rate of which a part is granted: so much less of it, and of its burst, which is the same capacity in time. One request at a
 * time is granted, however small the part.
 *
 * @param divisor at least 1
 */
export const partOf = ({ emissionMs, capacityMs }: Rate, divisor: number): Rate => ({
  emissionMs: emissionMs * divisor,
  capacityMs: Math.max(capacityMs, emissionMs * divisor),
})
