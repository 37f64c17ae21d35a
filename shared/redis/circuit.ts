/**
 * Whether one part of Redis is asked at all:
 *
 *     closed ──FAILURES_TO_OPEN failures in a row──▶ open ──a probe succeeds──▶ closed
 *
 * There is no half-open state: calls are never the ones who find out, a background probe is.
 */
export type CircuitState = 'closed' | 'open'

const FAILURES_TO_OPEN = 3

export class Circuit {
  #state: CircuitState
  #failures = 0
  #sinceMs: number
  #cause: string | undefined

  constructor(state: CircuitState, nowMs: number, cause?: string) {
    this.#state = state
    this.#sinceMs = nowMs
    this.#cause = cause
  }

  get state(): CircuitState {
    return this.#state
  }

  /** When it came into its state. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  /** Why it opened last. */
  get cause(): string | undefined {
    return this.#cause
  }

  succeeded(): void {
    this.#failures = 0
  }

  /** @returns whether this one has opened it */
  failed(cause: string, nowMs: number): boolean {
    if (this.#state === 'open' || ++this.#failures < FAILURES_TO_OPEN) return false
    this.#state = 'open'
    this.#sinceMs = nowMs
    this.#cause = cause
    return true
  }

  close(nowMs: number): void {
    this.#state = 'closed'
    this.#failures = 0
    this.#sinceMs = nowMs
  }
}
