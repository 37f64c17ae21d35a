/** How often deadlines are looked at: an eighth of the shortest, within these. */
const LOOK_EVERY_MS = { longest: 250, shortest: 10 }

/**
 * Looks at many deadlines by one timer: none is noticed early, and each within two looks. A process that was held up, or
 * stopped and continued, reads what has come in the meantime before anything is called late.
 */
export class DeadlineWatch {
  readonly #look: (nowMs: number) => void
  #everyMs = 0
  #shortestMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #lookedAtMs = performance.now()
  /** What was the time as looks became more frequent. */
  #notBeforeMs = 0
  #hasWaited = false
  #isStopped = false

  /** @param look is called with the monotonic time, every so often */
  constructor(timeoutsMs: readonly number[], look: (nowMs: number) => void) {
    this.#look = look
    this.#lookOftenEnoughFor(Math.min(...timeoutsMs))
  }

  /** The present or, at most one look, after it: what a deadline is counted from. Asking the clock costs more. It never goes back. */
  get nowMs(): number {
    return Math.max(this.#notBeforeMs, this.#lookedAtMs + this.#everyMs)
  }

  /** The deadline of what may take so long from now on. A time shorter than any before has all looked at more often, for good. */
  deadlineIn(timeoutMs: number): number {
    if (timeoutMs < this.#shortestMs) this.#lookOftenEnoughFor(timeoutMs)
    return this.#lookedAtMs + this.#everyMs + timeoutMs
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
  }

  #lookOftenEnoughFor(timeoutMs: number): void {
    this.#shortestMs = timeoutMs
    const everyMs = Math.min(LOOK_EVERY_MS.longest, Math.max(LOOK_EVERY_MS.shortest, Math.ceil(timeoutMs / 8)))
    if (everyMs === this.#everyMs || this.#isStopped) return
    this.#notBeforeMs = this.nowMs
    this.#everyMs = everyMs
    this.#lookedAtMs = performance.now()
    clearInterval(this.#timer)
    this.#timer = setInterval(this.#onTimer, everyMs)
    this.#timer.unref()
  }

  readonly #onTimer = (): void => {
    const nowMs = performance.now()
    const sinceMs = nowMs - this.#lookedAtMs
    this.#lookedAtMs = nowMs
    // Once only: a process that is always late must notice deadlines all the same.
    this.#hasWaited = sinceMs > 4 * this.#everyMs && !this.#hasWaited
    if (!this.#hasWaited) this.#look(nowMs)
  }
}
