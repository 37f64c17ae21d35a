import type { Call } from './connection.ts'

interface Waiting {
  readonly call: Call
  readonly untilMs: number
}

/** Taken places at the front are given up when there are this many, and more of them than of others. */
const COMPACT_FROM = 64

/**
 * Calls that wait, first come first served.
 *
 * Not a map: one that is added to and taken from is laid out anew every so often, and what it leaves behind keeps later
 * calls alive (docs/decisions/0002-memory-under-load.md).
 */
export class CallQueue {
  readonly #places: (Waiting | undefined)[] = []
  #first = 0

  get length(): number {
    return this.#places.length - this.#first
  }

  /** `untilMs` must not be before that of a call which came earlier. */
  add(call: Call, untilMs: number): void {
    this.#places.push({ call, untilMs })
  }

  /** The call that has so many before it. */
  behind(count: number): Call | undefined {
    return this.#places[this.#first + count]?.call
  }

  takeFirst(): Call | undefined {
    const first = this.#places[this.#first]
    if (first === undefined) return undefined
    this.#places[this.#first++] = undefined
    if (this.#first >= COMPACT_FROM && this.#first * 2 > this.#places.length) {
      this.#places.splice(0, this.#first)
      this.#first = 0
    }
    return first.call
  }

  /** @returns whether the call was waiting */
  remove(call: Call): boolean {
    const at = this.#places.findIndex((waiting) => waiting?.call === call)
    if (at !== -1) this.#places.splice(at, 1)
    return at !== -1
  }

  /** Takes the calls that have waited too long, but for the first so many. */
  takeOverdue(nowMs: number, spared: number): Call[] {
    const from = this.#first + spared
    let to = from
    for (let next = this.#places[to]; next !== undefined && next.untilMs <= nowMs; next = this.#places[to]) to++
    return this.#places.splice(from, to - from).map((waiting) => (waiting as Waiting).call)
  }
}
