import type { Bucket } from './bucket.ts'
import type { LimitState } from './limit-states.ts'

/** A bucket of which the fleet is to hear. */
export interface Told {
  readonly state: LimitState
  readonly bucket: Bucket
}

/** Of more than these, the fleet does not hear as long as they wait: what they hold is known here alone. */
const WAITING_LIMIT = 50_000

/** Buckets that wait to be told to Redis, the one that has waited longest first. */
export class Untold {
  /** Whether some cannot be told at the moment. */
  isImpaired = false
  #waiting: Told[] = []
  /** After an outage: what is known here of every client, a piece at a time. */
  #everything: Iterator<Told> | undefined

  get size(): number {
    return this.#waiting.length
  }

  add(state: LimitState, bucket: Bucket): void {
    if (bucket.isQueued || this.#waiting.length >= WAITING_LIMIT) return
    bucket.isQueued = true
    this.#waiting.push({ state, bucket })
  }

  /** Besides what waits, all of this is told, too. */
  addAll(states: Iterable<LimitState>): void {
    this.#everything = bucketsOf([...states])
  }

  /** @returns the next ones, which do not wait any more, without those for which `isLeft` */
  take(limit: number, isLeft: (told: Told) => boolean): Told[] {
    const taken: Told[] = []
    const left: Told[] = []
    let at = 0
    for (; at < this.#waiting.length && taken.length < limit; at++) {
      const told = this.#waiting[at] as Told
      if (isLeft(told)) left.push(told)
      else {
        told.bucket.isQueued = false
        taken.push(told)
      }
    }
    this.#waiting = at === this.#waiting.length ? left : left.concat(this.#waiting.slice(at))
    this.#takeOfAll(taken, limit, isLeft)
    return taken
  }

  #takeOfAll(taken: Told[], limit: number, isLeft: (told: Told) => boolean): void {
    for (let looked = 0; this.#everything !== undefined && taken.length < limit && looked < limit; looked++) {
      const { value, done } = this.#everything.next()
      if (done === true) this.#everything = undefined
      else if (!isLeft(value) && !value.bucket.isQueued) taken.push(value)
    }
  }
}

function* bucketsOf(states: readonly LimitState[]): IterableIterator<Told> {
  for (const state of states) for (const bucket of state.buckets) yield { state, bucket }
}
