/**
 * The generic cell rate algorithm (ITU-T I.371): a leaky bucket that is one number a client, the theoretical arrival
 * time, at which a client that keeps to the rate would send its next request. Each request moves it on by the emission
 * interval; one that finds it further ahead than the capacity allows is refused, and moves nothing.
 *
 * Times are milliseconds of one monotonic clock.
 */

export interface Rate {
  /** Between two requests of a client that keeps to the rate. */
  readonly emissionMs: number
  /** Burst × emission, and no less than one emission: how far ahead of its rate a client may be. */
  readonly capacityMs: number
}

export interface Decision {
  readonly isAdmitted: boolean
  /** What to remember of the client once the request counts. */
  readonly arrivalMs: number
  /** Until the request would be admitted; 0 where it is. */
  readonly retryAfterMs: number
}

/** Sums of doubles are a little off: a request so little before its time is in time. */
const ROUNDING_MS = 1e-4

/** @param arrivalMs the theoretical arrival time of the client; `nowMs`, or anything earlier, for a new one */
export const decide = ({ emissionMs, capacityMs }: Rate, arrivalMs: number, nowMs: number): Decision => {
  const nextMs = within(capacityMs, arrivalMs, nowMs) + emissionMs
  const earlyMs = nextMs - capacityMs - nowMs
  return earlyMs <= ROUNDING_MS
    ? { isAdmitted: true, arrivalMs: nextMs, retryAfterMs: 0 }
    : { isAdmitted: false, arrivalMs: nextMs, retryAfterMs: earlyMs }
}

export interface Quota {
  /** Requests that would be admitted at once. */
  readonly remaining: number
  /** Until all of the burst is back. */
  readonly resetMs: number
}

/** What is left to a client with this theoretical arrival time. */
export const quota = ({ emissionMs, capacityMs }: Rate, arrivalMs: number, nowMs: number): Quota => {
  const resetMs = within(capacityMs, arrivalMs, nowMs) - nowMs
  const remaining = Math.floor((capacityMs - resetMs + ROUNDING_MS) / emissionMs)
  return { remaining: Math.min(remaining, Math.round(capacityMs / emissionMs)), resetMs }
}

/** What was remembered under a limit of more capacity than now is a bucket used up, and no debt beyond it. */
const within = (capacityMs: number, arrivalMs: number, nowMs: number): number =>
  Math.min(Math.max(arrivalMs, nowMs), nowMs + capacityMs)
