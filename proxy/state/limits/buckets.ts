import { Bucket } from './bucket.ts'
import type { Rate } from './gcra.ts'

/** The limit that buckets are of. */
interface Bounds {
  /** How many keys may be held, two at least. */
  readonly keysLimit: number
  readonly rate: Rate
}

/** Of limits that are full again sooner, buckets are kept for longer than they matter: to turn costs more. */
const SHORTEST_PERIOD_MS = 1_000

/**
 * The buckets of a limit's clients, in bounded memory: two generations, of which the older is dropped whole.
 *
 *     get   from the current generation, else moved there from the previous one, else made there
 *     turn  the current one becomes the previous one when it is half of all, or a full period old
 *
 * What has rested for a period has nothing to be remembered for. Of more clients than fit, at least the half of
 * `keysLimit` that came last are remembered.
 */
export class Buckets {
  #current = new Map<string, Bucket>()
  #previous = new Map<string, Bucket>()
  #turnedAtMs: number
  #base: Buckets | undefined

  constructor(nowMs: number) {
    this.#turnedAtMs = nowMs
  }

  /** How many keys are held; one may be held twice. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  /**
   * @param bounds what a bucket holds under another capacity is cut to this one
   * @param periodMs after which a bucket is full again, at the latest
   */
  get(key: string, nowMs: number, bounds: Bounds, periodMs: number): Bucket {
    if (nowMs - this.#turnedAtMs >= Math.max(periodMs, SHORTEST_PERIOD_MS)) this.#turn(nowMs)
    // Moved on when it is only looked at, too: a client that is refused all the time must not be forgotten for it.
    const bucket = this.#current.get(key) ?? this.#bring(key, nowMs, bounds)
    bucket.obey(bounds.rate.capacityMs, nowMs)
    if (this.#base !== undefined) this.#hearFrom(this.#base, bucket)
    return bucket
  }

  /** Without remembering that it was asked for. */
  peek(key: string): Bucket | undefined {
    return this.#current.get(key) ?? this.#previous.get(key)
  }

  /** From now on a key that is asked for first begins with what `base` has, and each hears of the fleet by it. That is never changed. */
  standBeside(base: Buckets): void {
    this.#base = base
  }

  /** All of them, one after the other; those that come or go meanwhile may be left out. */
  *[Symbol.iterator](): IterableIterator<Bucket> {
    const generations = [this.#current, this.#previous]
    for (const generation of generations) yield* generation.values()
  }

  #bring(key: string, nowMs: number, { keysLimit, rate }: Bounds): Bucket {
    let bucket = this.#previous.get(key)
    if (bucket === undefined) {
      const base = this.#base?.peek(key)
      bucket = new Bucket(key, base?.arrivalMs ?? nowMs, base?.capacityMs ?? rate.capacityMs)
      bucket.heard = base?.heard
    }
    if (this.#current.size >= keysLimit >> 1) this.#turn(nowMs)
    this.#current.set(key, bucket)
    return bucket
  }

  #hearFrom(base: Buckets, bucket: Bucket): void {
    const other = base.peek(bucket.key)
    if (other !== undefined) bucket.hearFrom(other)
  }

  #turn(nowMs: number): void {
    this.#previous = this.#current
    this.#current = new Map()
    this.#turnedAtMs = nowMs
  }
}
