/** How often deadlines are looked at: an eighth of the shortest, within these. */
const LOOK_EVERY_MS = { longest: 250, shortest: 10 }

/**
 * Looks at many deadlines by one timer: none is noticed early, and each within two looks. A process that was held up, or
 * stopped and continued, reads what has come in the meantime before anything is called late.
 */
export class DeadlineWatch {
  readonly #everyMs: number
  readonly #timer: NodeJS.Timeout
  #lookedAtMs = performance.now()
  #hasWaited = false

  /** @param look is called with the monotonic time, every so often */
  constructor(timeoutsMs: readonly number[], look: (nowMs: number) => void) {
    const eighthMs = Math.ceil(Math.min(...timeoutsMs) / 8)
    this.#everyMs = Math.min(LOOK_EVERY_MS.longest, Math.max(LOOK_EVERY_MS.shortest, eighthMs))
    this.#timer = setInterval(() => {
      const nowMs = performance.now()
      const sinceMs = nowMs - this.#lookedAtMs
      this.#lookedAtMs = nowMs
      // Once only: a process that is always late must notice deadlines all the same.
      this.#hasWaited = sinceMs > 4 * this.#everyMs && !this.#hasWaited
      if (!this.#hasWaited) look(nowMs)
    }, this.#everyMs)
    this.#timer.unref()
  }

  /** The present or, at most one look, after it: what a deadline is counted from. Asking the clock costs more. */
  get nowMs(): number {
    return this.#lookedAtMs + this.#everyMs
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
