import { matcherOf, type Purgeable, type Purged, RecentPurges } from '../cdn/purge/recent-purges.ts'
import type { StaleStore } from './stale-store.ts'

/** Of those that replies on their way are held against. A reply that has been on its way for longer is not kept. */
const REMEMBERED_LIMIT = 1_000

/**
 * The purges that this instance has carried out, one generation each. A reply is of the generation in which its exchange began:
 * whatever is purged before it has come whole purges it as well, so that it cannot fill again what was emptied.
 */
export class AppliedPurges {
  readonly #store: StaleStore
  readonly #recent = new RecentPurges(0, REMEMBERED_LIMIT)

  constructor(store: StaleStore) {
    this.#store = store
  }

  get generation(): number {
    return this.#recent.number
  }

  /** Nothing that it is of is served from now on. @returns how many kept replies it was of */
  apply(order: Purged): number {
    const isPurged = matcherOf(order)
    this.#recent.add(isPurged)
    return this.#store.purge(isPurged)
  }

  /** Whether a purge since that generation is of the reply. */
  hasPurged(generation: number, reply: Purgeable): boolean {
    return this.#recent.hasPurged(generation, reply)
  }
}
