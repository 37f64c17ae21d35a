/**
 * Theoretical arrival times by client, in bounded memory: two generations, of which the older is dropped whole.
 *
 *     get     in the current generation, else in the previous one
 *     set     in the current one, which becomes the previous one when it is half of all, or a full period old
 *
 * What has rested for a period has nothing to be remembered for. Of more clients than fit, at least the half of
 * `keysLimit` that came last are remembered.
 */
export class Arrivals {
  #current = new Map<string, number>()
  #previous = new Map<string, number>()
  #turnedAtMs: number
  readonly #base: Arrivals | undefined

  /** @param base what each key begins with, when it is asked for first; it is never changed */
  constructor(nowMs: number, base?: Arrivals) {
    this.#turnedAtMs = nowMs
    this.#base = base
  }

  /** How many keys are held; one may be held twice. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  /** @param keysLimit how many keys may be held, two at least */
  get(key: string, nowMs: number, keysLimit: number): number | undefined {
    const current = this.#current.get(key)
    if (current !== undefined) return current
    const earlier = this.#previous.get(key) ?? this.#base?.peek(key)
    // Moved on here, and not only when it changes: a client that is refused all the time must not be forgotten for it.
    if (earlier !== undefined) this.#add(key, earlier, nowMs, keysLimit)
    return earlier
  }

  /** Without remembering that it was asked for. */
  peek(key: string): number | undefined {
    return this.#current.get(key) ?? this.#previous.get(key)
  }

  set(key: string, arrivalMs: number, nowMs: number, keysLimit: number): void {
    if (this.#current.has(key)) this.#current.set(key, arrivalMs)
    else this.#add(key, arrivalMs, nowMs, keysLimit)
  }

  /** Drops what no decision can depend on any more: to be called before a decision, with the limit's capacity. */
  expire(nowMs: number, capacityMs: number): void {
    if (nowMs - this.#turnedAtMs >= capacityMs) this.#turn(nowMs)
  }

  /** For who begins with what is here, key by key, and goes on apart: in no time, however many there are. */
  beside(nowMs: number): Arrivals {
    return new Arrivals(nowMs, this)
  }

  #add(key: string, arrivalMs: number, nowMs: number, keysLimit: number): void {
    if (this.#current.size >= keysLimit >> 1) this.#turn(nowMs)
    this.#current.set(key, arrivalMs)
  }

  #turn(nowMs: number): void {
    this.#previous = this.#current
    this.#current = new Map()
    this.#turnedAtMs = nowMs
  }
}
