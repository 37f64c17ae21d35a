import { OutcomeWindow } from './outcome-window.ts'

/**
 * Whether requests of one operation go to the app:
 *
 *     closed ────too many failures──────────────▶ open
 *     open ──────openMs later, by a request─────▶ half-open   that request is the probe
 *     half-open ─the probe fails────────────────▶ open
 *     half-open ─the app answers the probe──────▶ closing     or closed, where there is no ramp
 *     closing ───too many failures──────────────▶ open
 *     closing ───rampMs later, by a request─────▶ closed
 *
 * Too many are `consecutiveFailures` in a row, or `failureShare` of at least `minimumRequests` in the window; both are counted anew
 * after each opening. Half-open refuses all but the probe; closing admits a share that grows from none to all, in a line.
 *
 * Whoever is admitted holds a ticket of the time that it was admitted in. What becomes of it later counts in that time
 * alone: a request that has hung since before the circuit opened says nothing of the app as it is now, nor does a former probe.
 * A probe that ends without an answer is given back, as is one of which nothing has been heard for so long that its client
 * must be what holds it up: the next request is the probe then.
 *
 * All times are of one clock that never goes back.
 */
export type Standing =
  | { readonly state: 'closed' | 'open' | 'closing'; readonly sinceMs: number }
  /** `probeSinceMs` is undefined while nobody holds the probe. */
  | { readonly state: 'half-open'; readonly sinceMs: number; readonly probeSinceMs: number | undefined }

export type CircuitState = Standing['state']

/** `open` and `closed` are an operator's: nothing but another order changes them. */
export type CircuitMode = 'auto' | 'open' | 'closed'

/** What an operator may say. `reset`: closed, by itself, with nothing counted. */
export type CircuitOrder = CircuitMode | 'reset'

export interface CircuitRules {
  readonly consecutiveFailures: number
  readonly failureShare: number
  readonly minimumRequests: number
  readonly windowMs: number
  readonly openMs: number
  readonly rampMs: number
  /** So long the app may take to answer a probe, whatever its client does. */
  readonly probeMs: number
}

export type CircuitCause =
  | 'failures-in-a-row'
  | 'failure-share'
  | 'probe-due'
  | 'probe-failed'
  | 'probe-answered'
  | 'ramp-over'
  | 'order'

export interface CircuitChange {
  readonly from: CircuitState
  readonly to: CircuitState
  readonly cause: CircuitCause
  /** As they were counted up to then. */
  readonly failuresInARow: number
  readonly requests: number
  readonly failures: number
}

/** In the place of a ticket. */
export const REFUSED = 0

/** What a client may be told to wait while nobody knows how long it takes. */
const SHORTLY_MS = 1_000

export class CircuitBreaker {
  readonly #random: () => number
  readonly #onChange: (change: CircuitChange) => void
  #rules: CircuitRules
  #window: OutcomeWindow
  #at: Standing
  #mode: CircuitMode = 'auto'
  #ticket = 1
  /** Failures since the last success. */
  #failuresInARow = 0
  /** How many there were when the last success came, which takes them back if it breaks off. */
  #failuresBefore = 0
  #successes = 0

  /** @param random from 0 to below 1, as `Math.random` */
  constructor(rules: CircuitRules, nowMs: number, random: () => number, onChange: (change: CircuitChange) => void) {
    this.#rules = rules
    this.#window = new OutcomeWindow(rules.windowMs)
    this.#at = { state: 'closed', sinceMs: nowMs }
    this.#random = random
    this.#onChange = onChange
  }

  get standing(): Standing {
    return this.#at
  }

  get mode(): CircuitMode {
    return this.#mode
  }

  get failuresInARow(): number {
    return this.#failuresInARow
  }

  /** Within the window. */
  counted(nowMs: number): { readonly requests: number; readonly failures: number } {
    this.#window.move(nowMs)
    const { requests, failures } = this.#window
    return { requests, failures }
  }

  /** Rules hold from now on, for the present state too; what was counted is kept unless the window is another. */
  follow(rules: CircuitRules): void {
    if (rules.windowMs !== this.#rules.windowMs) this.#window = new OutcomeWindow(rules.windowMs)
    this.#rules = rules
  }

  /** @returns a ticket, by which to tell what becomes of the request, or {@link REFUSED} */
  admit(nowMs: number): number {
    return this.#at.state === 'closed' ? this.#ticket : this.#admitSome(nowMs)
  }

  /** The share of requests that goes to the app; of `half-open` none, as all but one is refused. */
  admittedShare(nowMs: number): number {
    const { state, sinceMs } = this.#at
    if (state === 'closed') return 1
    return state === 'closing' ? Math.min(1, (nowMs - sinceMs) / this.#rules.rampMs) : 0
  }

  /** How long a client that is refused does well to wait. */
  retryAfterMs(nowMs: number): number {
    const { state, sinceMs } = this.#at
    if (state !== 'open') return SHORTLY_MS
    return this.#mode === 'open' ? this.#rules.openMs : Math.max(SHORTLY_MS, sinceMs + this.#rules.openMs - nowMs)
  }

  /** The app has begun to answer well. @returns by which {@link brokeOff} knows it; 0 where it does not count */
  succeeded(ticket: number, nowMs: number): number {
    if (ticket !== this.#ticket || this.#mode !== 'auto') return 0
    if (this.#at.state === 'half-open') {
      this.#close(nowMs)
      return 0
    }
    this.#window.addRequest(nowMs)
    this.#failuresBefore = this.#failuresInARow
    this.#failuresInARow = 0
    return ++this.#successes
  }

  /** The app has answered in a way that says nothing of how it is: only a probe asks for no more than an answer. */
  answered(ticket: number, nowMs: number): void {
    if (ticket === this.#ticket && this.#at.state === 'half-open') this.#close(nowMs)
  }

  failed(ticket: number, nowMs: number): void {
    if (ticket !== this.#ticket || this.#mode !== 'auto') return
    if (this.#at.state === 'half-open') {
      this.#change('open', nowMs, 'probe-failed')
      return
    }
    this.#window.addRequest(nowMs)
    this.#countFailure(nowMs)
  }

  /** A reply that had begun well has not come to its end. @param success as {@link succeeded} gave it */
  brokeOff(ticket: number, success: number, nowMs: number): void {
    if (ticket !== this.#ticket || this.#mode !== 'auto') return
    if (success === this.#successes) {
      this.#failuresInARow += this.#failuresBefore
      this.#failuresBefore = 0
    }
    this.#countFailure(nowMs)
  }

  /** Nothing has become of it that the app could be blamed or praised for. */
  abandoned(ticket: number): void {
    if (ticket !== this.#ticket || this.#at.state !== 'half-open') return
    this.#at = { ...this.#at, probeSinceMs: undefined }
  }

  order(order: CircuitOrder, nowMs: number): void {
    const was = this.#mode
    this.#mode = order === 'reset' ? 'auto' : order
    if (order !== 'auto') this.#change(order === 'open' ? 'open' : 'closed', nowMs, 'order')
    else if (was === 'open') this.#change('half-open', nowMs, 'order')
  }

  #admitSome(nowMs: number): number {
    const { state, sinceMs } = this.#at
    switch (state) {
      case 'open':
        if (this.#mode === 'open' || nowMs - sinceMs < this.#rules.openMs) return REFUSED
        this.#change('half-open', nowMs, 'probe-due')
        return this.#probe(nowMs)
      case 'half-open': {
        const { probeSinceMs } = this.#at
        const isHeld = probeSinceMs !== undefined && nowMs - probeSinceMs < this.#rules.probeMs
        return isHeld ? REFUSED : this.#probe(nowMs)
      }
      case 'closing':
        if (nowMs - sinceMs >= this.#rules.rampMs) this.#finishRamp(nowMs)
        else if (this.#random() >= this.admittedShare(nowMs)) return REFUSED
        return this.#ticket
      case 'closed':
        return this.#ticket
    }
  }

  #probe(nowMs: number): number {
    this.#at = { state: 'half-open', sinceMs: this.#at.sinceMs, probeSinceMs: nowMs }
    return ++this.#ticket
  }

  #close(nowMs: number): void {
    this.#change(this.#rules.rampMs === 0 ? 'closed' : 'closing', nowMs, 'probe-answered')
  }

  /** Who was admitted on the ramp counts on: it is the same rule, and the same app. */
  #finishRamp(nowMs: number): void {
    this.#at = { state: 'closed', sinceMs: nowMs }
    this.#onChange(this.#changed('closing', 'closed', 'ramp-over'))
  }

  #countFailure(nowMs: number): void {
    this.#window.addFailure(nowMs)
    this.#failuresInARow++
    const { consecutiveFailures, failureShare, minimumRequests } = this.#rules
    const { requests, failures } = this.#window
    if (this.#failuresInARow >= consecutiveFailures) this.#change('open', nowMs, 'failures-in-a-row')
    else if (requests >= minimumRequests && failures >= failureShare * requests) {
      this.#change('open', nowMs, 'failure-share')
    }
  }

  /** Another time begins: what was admitted before it counts no more. */
  #change(to: CircuitState, nowMs: number, cause: CircuitCause): void {
    const change = this.#changed(this.#at.state, to, cause)
    this.#at =
      to === 'half-open' ? { state: to, sinceMs: nowMs, probeSinceMs: undefined } : { state: to, sinceMs: nowMs }
    this.#ticket++
    this.#failuresInARow = 0
    this.#failuresBefore = 0
    this.#window.clear()
    if (change.from !== to) this.#onChange(change)
  }

  #changed(from: CircuitState, to: CircuitState, cause: CircuitCause): CircuitChange {
    const { requests, failures } = this.#window
    return { from, to, cause, failuresInARow: this.#failuresInARow, requests, failures }
  }
}
