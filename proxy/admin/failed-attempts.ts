import { type Clock, systemClock } from '#shared/clock.ts'

/** So many wrong tokens of one address within a window, and none of its tokens is looked at until that has passed. */
const ATTEMPTS_LIMIT = 10
const WINDOW_MS = 60_000
/** Addresses remembered; the oldest are forgotten. */
const ADDRESSES_LIMIT = 10_000

interface Attempts {
  readonly sinceMs: number
  failed: number
}

/**
 * Wrong tokens by address, so that nobody can try many.
 */
export class FailedAttempts {
  readonly #clock: Clock
  readonly #byAddress = new Map<string, Attempts>()

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  /** For how long nothing of this address is looked at; 0 where it is. */
  waitMs(address: string): number {
    const attempts = this.#byAddress.get(address)
    if (attempts === undefined || attempts.failed < ATTEMPTS_LIMIT) return 0
    return Math.max(0, attempts.sinceMs + WINDOW_MS - this.#clock.monotonicMs())
  }

  /** @returns whether this one was the last that is looked at */
  failed(address: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#byAddress.get(address)
    if (known !== undefined && nowMs < known.sinceMs + WINDOW_MS) return ++known.failed === ATTEMPTS_LIMIT
    this.#byAddress.delete(address)
    this.#byAddress.set(address, { sinceMs: nowMs, failed: 1 })
    const [oldest] = this.#byAddress.keys()
    if (this.#byAddress.size > ADDRESSES_LIMIT && oldest !== undefined) this.#byAddress.delete(oldest)
    return false
  }
}
