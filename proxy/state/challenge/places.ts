import { createHmac } from 'node:crypto'
import type { ChallengeKeys } from './keys.ts'
import { Recent } from './recent.ts'

/** Clients whose place is remembered: it is asked for at each request of everybody. */
const REMEMBERED_LIMIT = 20_000

/**
 * Where a client stands between 0 and 1: always in the same place, at every instance, so that the share of clients that is
 * asked is the same clients. Keyed, so that nobody can look for an address that is not.
 */
export class Places {
  readonly #keys: { readonly current: ChallengeKeys }
  readonly #places = new Recent<number>(REMEMBERED_LIMIT)
  #placedBy: ChallengeKeys

  constructor(keys: { readonly current: ChallengeKeys }) {
    this.#keys = keys
    this.#placedBy = keys.current
  }

  /** @param client its address prefix */
  of(client: string): number {
    const keys = this.#keys.current
    if (keys !== this.#placedBy) {
      this.#placedBy = keys
      this.#places.clear()
    }
    const known = this.#places.get(client)
    if (known !== undefined) return known
    const mac = createHmac('sha256', keys.primary.client).update(`place\n${client}`).digest()
    const place = mac.readUInt32BE() / 2 ** 32
    this.#places.set(client, place)
    return place
  }
}
