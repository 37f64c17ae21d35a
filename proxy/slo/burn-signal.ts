import { type Clock, systemClock } from '#shared/clock.ts'
import type { SharedCounts } from '#shared/redis/shared-counts.ts'
import type { Outcome } from '../outcome.ts'

/** What became of the requests that met one version of the policy. */
export interface Burn {
  readonly requests: number
  /** Of them, refused by the policy, cut or failed; 0 where there were none. */
  readonly badShare: number
}

const MINUTE_MS = 60_000
const TICK_MS = 1_000
/** Longer than the longest probation. */
const COUNT_LIFE_MS = 2 * 3_600_000

interface Counted {
  requests: number
  bad: number
}

/**
 * How the fleet's requests do, by the version of the policy that they met and by minute. Each instance counts its own in
 * plain numbers, and tells the others once a second.
 */
export class BurnSignal {
  readonly #counts: SharedCounts
  readonly #clock: Clock
  readonly #timer: NodeJS.Timeout
  /** Not told yet. */
  readonly #untold = new Map<number, Counted>()
  #version = -1
  #ofVersion: Counted = { requests: 0, bad: 0 }

  constructor(counts: SharedCounts, clock: Clock = systemClock) {
    this.#counts = counts
    this.#clock = clock
    this.#timer = setInterval(() => this.tell(), TICK_MS)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
    this.tell()
  }

  /** Called at the end of each exchange. */
  count(version: number, outcome: Outcome): void {
    if (isNobodys(outcome)) return
    if (version !== this.#version) this.#turnTo(version)
    this.#ofVersion.requests++
    if (isBad(outcome)) this.#ofVersion.bad++
  }

  /** In the fleet, in the minutes from `sinceMs` of the wall clock on, as far as is known here. */
  of(version: number, sinceMs: number): Burn {
    this.tell()
    const minutes = this.#minutes(sinceMs)
    const sum = (what: 'requests' | 'bad') =>
      minutes.reduce((total, minute) => total + this.#counts.add(`${version}:${minute}:${what}`, 0, COUNT_LIFE_MS), 0)
    const [requests, bad] = [sum('requests'), sum('bad')]
    // The two come one after the other: of a moment in between there may be more bad ones than all.
    return { requests, badShare: requests === 0 ? 0 : Math.min(1, bad / requests) }
  }

  /** The same, with what the fleet has counted up to now: for who has not asked before. */
  async latest(version: number, sinceMs: number): Promise<Burn> {
    this.of(version, sinceMs)
    await this.#counts.flush()
    return this.of(version, sinceMs)
  }

  /** Hands what has been counted to where the fleet's counts are. */
  tell(): void {
    const minute = Math.floor(this.#clock.wallMs() / MINUTE_MS)
    for (const [version, counted] of this.#untold) {
      if (counted.requests > 0) {
        this.#counts.add(`${version}:${minute}:requests`, counted.requests, COUNT_LIFE_MS)
        this.#counts.add(`${version}:${minute}:bad`, counted.bad, COUNT_LIFE_MS)
      }
      counted.requests = 0
      counted.bad = 0
      if (version !== this.#version) this.#untold.delete(version)
    }
  }

  #turnTo(version: number): void {
    let counted = this.#untold.get(version)
    if (counted === undefined) {
      counted = { requests: 0, bad: 0 }
      this.#untold.set(version, counted)
    }
    this.#version = version
    this.#ofVersion = counted
  }

  #minutes(sinceMs: number): number[] {
    const last = Math.floor(this.#clock.wallMs() / MINUTE_MS)
    const first = Math.max(Math.floor(sinceMs / MINUTE_MS), last - COUNT_LIFE_MS / MINUTE_MS)
    return Array.from({ length: Math.max(0, last - first + 1) }, (_none, index) => first + index)
  }
}

/**
 * What no policy has a part in: requests for Sidegate itself, clients that left, and requests that none would let through.
 * Anyone can send as many of those as they like.
 */
const isNobodys = ({ kind, refusal }: Outcome): boolean =>
  kind === 'answered' || kind === 'client-abort' || refusal?.text.fault === 'client'

const isBad = ({ kind, status }: Outcome): boolean => kind !== 'replied' || status >= 500
