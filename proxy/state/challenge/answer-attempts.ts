import type { Clock } from '#shared/clock.ts'
import { Arrivals } from '../limits/arrivals.ts'
import { decide, type Rate } from '../limits/gcra.ts'

/** Puzzles and answers of one client: 60 at once, for the many people behind one address, and then two a second. */
const RATE: Rate = { emissionMs: 500, capacityMs: 30_000 }
/** Clients remembered; those idle longest are forgotten. */
const CLIENTS_LIMIT = 50_000

/** What each client may try at this instance, beside whatever limits the policy has. */
export class AnswerAttempts {
  readonly #clock: Clock
  readonly #arrivals: Arrivals

  constructor(clock: Clock) {
    this.#clock = clock
    this.#arrivals = new Arrivals(clock.monotonicMs())
  }

  /** How many clients are held. */
  get size(): number {
    return this.#arrivals.size
  }

  /** @returns seconds to wait, where this is one too many; else 0 */
  take(client: string): number {
    const nowMs = this.#clock.monotonicMs()
    this.#arrivals.expire(nowMs, RATE.capacityMs)
    const decision = decide(RATE, this.#arrivals.get(client, nowMs, CLIENTS_LIMIT) ?? nowMs, nowMs)
    if (!decision.isAdmitted) return Math.ceil(decision.retryAfterMs / 1_000)
    this.#arrivals.set(client, decision.arrivalMs, nowMs, CLIENTS_LIMIT)
    return 0
  }
}
