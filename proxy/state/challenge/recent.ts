/**
 * What has been seen lately, in bounded memory: two generations, of which the older is dropped whole. Of more entries
 * than fit, at least the half of `entriesLimit` that came last are there.
 */
export class Recent<Value> {
  readonly #halfLimit: number
  #current = new Map<string, Value>()
  #previous = new Map<string, Value>()

  /** @param entriesLimit two at least */
  constructor(entriesLimit: number) {
    this.#halfLimit = Math.max(entriesLimit >> 1, 1)
  }

  get size(): number {
    return this.#current.size + this.#previous.size
  }

  get(key: string): Value | undefined {
    const current = this.#current.get(key)
    if (current !== undefined) return current
    const earlier = this.#previous.get(key)
    // Moved on: what is asked for all the time stays.
    if (earlier !== undefined) this.set(key, earlier)
    return earlier
  }

  set(key: string, value: Value): void {
    if (this.#current.size >= this.#halfLimit) {
      this.#previous = this.#current
      this.#current = new Map()
    }
    this.#current.set(key, value)
  }

  /** All that is there; one key may come twice. */
  *entries(): Generator<[string, Value]> {
    yield* this.#previous
    yield* this.#current
  }

  clear(): void {
    this.#current.clear()
    this.#previous.clear()
  }
}
