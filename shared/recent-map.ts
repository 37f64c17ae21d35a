/**
 * What was set last, in bounded memory: two generations, of which the older is dropped whole. To take the oldest entry out of
 * a large map costs many times what the rest of a `set` does, and a flood would have that done for each request.
 *
 * At least the half of `limit` that was set last is there.
 */
export class RecentMap<Value> {
  readonly #limit: number
  #current = new Map<string, Value>()
  #previous = new Map<string, Value>()

  /** @param limit entries held at most, 2 at least */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** How many are held; one that was set again may be counted twice. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  get(key: string): Value | undefined {
    return this.#current.get(key) ?? this.#previous.get(key)
  }

  set(key: string, value: Value): void {
    if (this.#current.size >= this.#limit >> 1 && !this.#current.has(key)) {
      this.#previous = this.#current
      this.#current = new Map()
    }
    this.#current.set(key, value)
  }

  delete(key: string): void {
    this.#current.delete(key)
    this.#previous.delete(key)
  }
}
