import type { Clock } from '#shared/clock.ts'
import { Buckets } from '../limits/buckets.ts'
import { type Rate, waitMs } from '../limits/gcra.ts'

/** Puzzles and answers of one client: 60 at once, for the many people behind one address, and then two a second. */
const RATE: Rate = { emissionMs: 500, capacityMs: 30_000 }
/** Clients remembered; those idle longest are forgotten. */
const BOUNDS = { keysLimit: 50_000, rate: RATE }

/** What each client may try at this instance, beside whatever limits the policy has. */
export class AnswerAttempts {
  readonly #clock: Clock
  readonly #buckets: Buckets

  constructor(clock: Clock) {
    this.#clock = clock
    this.#buckets = new Buckets(clock.monotonicMs())
  }

  /** How many clients are held. */
  get size(): number {
    return this.#buckets.size
  }

  /** @returns seconds to wait, where this is one too many; else 0 */
  take(client: string): number {
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#buckets.get(client, nowMs, BOUNDS, RATE.capacityMs)
    const wait = waitMs(RATE, bucket.arrivalMs, nowMs)
    if (wait === 0) bucket.charge(RATE, nowMs)
    return Math.ceil(wait / 1_000)
  }
}
