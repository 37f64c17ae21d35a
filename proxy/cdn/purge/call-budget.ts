import type { Clock } from '#shared/clock.ts'

/** Calls that a CDN allows: a token bucket, full at the start. */
export class CallBudget {
  readonly #clock: Clock
  #tokens = Number.POSITIVE_INFINITY
  #filledAtMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAtMs = clock.monotonicMs()
  }

  /** @returns whether a call may be made now, which is taken for made */
  take(perMinute: number, burst: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#tokens = Math.min(this.#tokens + ((nowMs - this.#filledAtMs) * perMinute) / 60_000, burst)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
