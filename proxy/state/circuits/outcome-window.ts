/** So finely the window moves: what is older is forgotten at most a tenth of it early. */
export const BUCKETS = 10

/** Requests and failures of the last while, in a ring of counters: nothing is allocated as time passes. */
export class OutcomeWindow {
  readonly #bucketMs: number
  readonly #requests = new Uint32Array(BUCKETS)
  readonly #failures = new Uint32Array(BUCKETS)
  /** Which bucket is written to, counted from the clock's beginning. */
  #index = 0
  #allRequests = 0
  #allFailures = 0

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS
  }

  get requests(): number {
    return this.#allRequests
  }

  /** Replies that break off later than they began are no requests of their own: there may be more failures than requests. */
  get failures(): number {
    return this.#allFailures
  }

  addRequest(nowMs: number): void {
    this.move(nowMs)
    const at = this.#index % BUCKETS
    this.#requests[at] = (this.#requests[at] as number) + 1
    this.#allRequests++
  }

  addFailure(nowMs: number): void {
    this.move(nowMs)
    const at = this.#index % BUCKETS
    this.#failures[at] = (this.#failures[at] as number) + 1
    this.#allFailures++
  }

  /** Forgets what is older than the window. @param nowMs of before the last time changes nothing */
  move(nowMs: number): void {
    const index = Math.floor(nowMs / this.#bucketMs)
    if (index <= this.#index) return
    if (index - this.#index >= BUCKETS) this.clear()
    else for (let passed = this.#index + 1; passed <= index; passed++) this.#forget(passed % BUCKETS)
    this.#index = index
  }

  clear(): void {
    this.#requests.fill(0)
    this.#failures.fill(0)
    this.#allRequests = 0
    this.#allFailures = 0
  }

  #forget(at: number): void {
    this.#allRequests -= this.#requests[at] as number
    this.#allFailures -= this.#failures[at] as number
    this.#requests[at] = 0
    this.#failures[at] = 0
  }
}
