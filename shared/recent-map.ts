/**
 * What was set last, in bounded memory: two generations, of which the older is dropped whole. To take the oldest entry out of
 * a large map costs many times what the rest of a `set` does, and a flood would have that done for each request.
 *
 * At least the half of `limit` that was set last is there.
 */
export class RecentMap<Value> {
  /** Entries held at most. */
  readonly limit: number
  readonly #onDropped: ((values: Iterable<Value>) => void) | undefined
  #current = new Map<string, Value>()
  #previous = new Map<string, Value>()

  /**
   * @param limit 2 at least
   * @param onDropped is told of each older generation, before it is gone
   */
  constructor(limit: number, onDropped?: (values: Iterable<Value>) => void) {
    this.limit = limit
    this.#onDropped = onDropped
  }

  /** How many are held; one that was set again may be counted twice. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  get(key: string): Value | undefined {
    return this.#current.get(key) ?? this.#previous.get(key)
  }

  set(key: string, value: Value): void {
    if (this.#current.size >= this.limit >> 1 && !this.#current.has(key)) this.turn()
    this.#current.set(key, value)
  }

  /** Drops the older generation: what was set before the last turn, and not since. */
  turn(): void {
    this.#onDropped?.(this.#previous.values())
    this.#previous = this.#current
    this.#current = new Map()
  }

  /** All, the oldest first; what was set again may come twice, as it was and as it is. */
  *values(): Generator<Value> {
    yield* this.#previous.values()
    yield* this.#current.values()
  }

  delete(key: string): void {
    this.#current.delete(key)
    this.#previous.delete(key)
  }
}
