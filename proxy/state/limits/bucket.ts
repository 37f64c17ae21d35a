import { afterRequest, type Rate } from './gcra.ts'

/** Keys of a limit that are told to Redis in one call: so many parts, spread over the shards. */
export const SLOTS = 64

interface Heard {
  readonly sumMs: number
  /** When it was heard last. */
  readonly atMs: number
}

/** What one client has used of one limit, as far as is known here. */
export class Bucket {
  readonly key: string
  /** Of the limit's {@link SLOTS}. */
  readonly slot: number
  /**
   * The theoretical arrival time by this instance's monotonic clock. Never later than the fleet's own: it holds all that was admitted
   * here, and what has been heard of others.
   */
  arrivalMs: number
  /** By how much of it Redis has not been told. */
  untoldMs = 0
  /** How far others have moved it on, all in all; in a bucket beside another, how much of that it has taken over. */
  heard: Heard | undefined
  /** Of the limit that it was last held against. */
  capacityMs: number
  isQueued = false

  constructor(key: string, arrivalMs: number, capacityMs: number) {
    this.key = key
    this.slot = slotOf(key)
    this.arrivalMs = arrivalMs
    this.capacityMs = capacityMs
    this.heard = undefined
  }

  /** What was remembered under a limit of another capacity is a bucket used up at most, and no debt beyond it. */
  obey(capacityMs: number, nowMs: number): void {
    if (capacityMs === this.capacityMs) return
    this.capacityMs = capacityMs
    this.arrivalMs = Math.min(this.arrivalMs, nowMs + capacityMs)
    this.untoldMs = Math.min(this.untoldMs, capacityMs)
  }

  /** Lets a request count. */
  charge(rate: Rate, nowMs: number): void {
    this.arrivalMs = afterRequest(rate, this.arrivalMs, nowMs)
  }

  /** The request that was charged last does not count after all. */
  giveBack({ emissionMs }: Rate): void {
    this.arrivalMs -= emissionMs
  }

  /**
   * Redis has told the fleet's arrival time. What is known only grows: an answer that is older than what is known already changes nothing.
   *
   * @param fleetMs the fleet's arrival time by the clock of this instance, without what it has not been told
   */
  hear(fleetMs: number, nowMs: number): void {
    const arrivalMs = fleetMs + this.untoldMs
    if (arrivalMs <= this.arrivalMs) return
    const sumMs = (this.heard?.sumMs ?? 0) + Math.max(arrivalMs - Math.max(this.arrivalMs, nowMs), 0)
    this.heard = { sumMs, atMs: nowMs }
    this.arrivalMs = arrivalMs
  }

  /** Takes over what `other` has heard of the fleet since last. */
  hearFrom(other: Bucket): void {
    const { heard } = other
    if (heard === undefined || heard === this.heard) return
    const newMs = heard.sumMs - (this.heard?.sumMs ?? 0)
    this.heard = heard
    if (newMs > 0) this.arrivalMs = Math.max(this.arrivalMs, heard.atMs) + newMs
  }
}

/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), the same in every instance. */
const slotOf = (key: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash >>> 16) % SLOTS
}
