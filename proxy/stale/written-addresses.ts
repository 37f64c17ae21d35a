import { RecentMap } from '#shared/recent-map.ts'

/** Of those that replies on their way are held against. */
const REMEMBERED_LIMIT = 2_000

/**
 * The addresses that have been written to last, one number each. What is on its way since before a write may be as it was before
 * it, and is not kept.
 */
export class WrittenAddresses {
  readonly #last = new RecentMap<number>(REMEMBERED_LIMIT)
  #number = 0

  /** Of the last write. */
  get number(): number {
    return this.#number
  }

  add(key: string): void {
    this.#last.set(key, ++this.#number)
  }

  /** Whether the address has been written to after that number, or may have been: there are more of them than are remembered. */
  hasWritten(number: number, key: string): boolean {
    return this.#number - number > this.#last.limit >> 1 || (this.#last.get(key) ?? 0) > number
  }
}
