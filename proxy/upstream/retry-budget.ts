/** In tenths of a retry, so that sums are exact: what a request adds, what a retry takes, and how much may be saved up. */
const DEPOSIT = 1
const PRICE = 10
const SAVED_LIMIT = 100 * PRICE
/** What time alone gives, so that a proxy with little to do may send again too: one in a second, ten of them at most. */
const IDLE_LIMIT = 10 * PRICE
const IDLE_INTERVAL_MS = 1_000

/**
 * How often requests may be sent again: once for every ten requests, or an app that drops connections would get twice the
 * requests when it can bear the fewest. As in Finagle's `RetryBudget`.
 *
 * In any time it grants at most a tenth of the requests, one a second, and what was saved up before: 100.
 */
export class RetryBudget {
  #balance = IDLE_LIMIT
  #topUpMs = 0
  #granted = 0
  #refused = 0

  /** Since the start. */
  get counts(): { readonly granted: number; readonly refused: number } {
    return { granted: this.#granted, refused: this.#refused }
  }

  /** A request is sent for the first time. */
  deposit(): void {
    if (this.#balance < SAVED_LIMIT) this.#balance += DEPOSIT
  }

  /** @returns whether one may be sent again */
  withdraw(nowMs: number): boolean {
    this.#topUp(nowMs)
    if (this.#balance < PRICE) {
      this.#refused++
      return false
    }
    this.#balance -= PRICE
    this.#granted++
    return true
  }

  #topUp(nowMs: number): void {
    const intervals = Math.floor((nowMs - this.#topUpMs) / IDLE_INTERVAL_MS)
    if (intervals <= 0) return
    this.#topUpMs += intervals * IDLE_INTERVAL_MS
    if (this.#balance < IDLE_LIMIT) this.#balance = Math.min(IDLE_LIMIT, this.#balance + intervals * PRICE)
  }
}
