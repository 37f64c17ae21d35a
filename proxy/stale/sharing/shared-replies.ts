import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { RecentPurges } from '../../cdn/purge/recent-purges.ts'
import type { CompiledPolicy } from '../../state/policy/compile.ts'
import type { AppliedPurges } from '../applied-purges.ts'
import type { StaleStore } from '../stale-store.ts'
import { RepliesInRedis } from './replies-in-redis.ts'

/** Purges of the fleet, as far as what is shared is held against them. */
export interface FleetPurges {
  /** The number of the last purge that has been carried out here; undefined before anything is known. */
  readonly carriedOut: number | undefined
  /** How often Redis has lost purges. */
  readonly losses: number
  /** The last of them; undefined where Redis cannot be asked. */
  latest(): Promise<RecentPurges | undefined>
}

interface SharingParts {
  readonly store: StaleStore
  readonly applied: AppliedPurges
  readonly purges: FleetPurges
  readonly policies: { readonly active: CompiledPolicy }
}

/** So old may what is shared of an address be, before it is written anew. */
const RENEWED_AFTER_MS = 60_000
/** Of addresses that wait to be written: those that come while there are so many are not. Of those that are to go: then all go. */
const WAITING_LIMIT = 20_000
const ASKED_PER_CALL = 200

/**
 * What is kept here of replies, for instances that start anew, by way of Redis: written some time after it has come, an address once
 * a minute whoever keeps it, and read once, at the start.
 */
export class SharedReplies {
  readonly #redis: RepliesInRedis
  readonly #parts: SharingParts
  readonly #log: Logger
  readonly #clock: Clock
  readonly #waiting = new Set<string>()
  readonly #gone = new Set<string>()
  #losses: number
  /** Whether more is to go than is remembered. */
  #isAllToGo = false
  #isLoaded = false
  /** Addresses, since the start. */
  readonly counts = { shared: 0, loaded: 0 }

  constructor(redis: RedisGuard, parts: SharingParts, log: Logger, clock: Clock = systemClock) {
    this.#redis = new RepliesInRedis(redis)
    this.#parts = parts
    this.#log = log
    this.#clock = clock
    this.#losses = parts.purges.losses
    parts.store.watcher = {
      kept: (key) => {
        if (this.#waiting.size < WAITING_LIMIT) this.#waiting.add(key)
      },
      dropped: (key) => {
        this.#waiting.delete(key)
        this.#gone.add(key)
        if (this.#gone.size <= WAITING_LIMIT) return
        this.#gone.clear()
        this.#isAllToGo = true
      },
    }
  }

  /** Does what there is to be done. What Redis does not take now is done later. Never rejects. */
  async work(): Promise<void> {
    const { purges } = this.#parts
    const { losses } = purges
    // What was written by who had not heard of a purge that was lost goes, too.
    if (losses !== this.#losses || this.#isAllToGo) {
      this.#isAllToGo = false
      if (!(await this.#redis.clear())) {
        this.#isAllToGo = true
        return
      }
      this.#losses = losses
    }
    if (!this.#isLoaded && !(await this.#load())) return
    if (await this.#unshare()) await this.#share()
  }

  /** Nothing is shared any more: what there is goes. */
  async end(): Promise<void> {
    this.#parts.store.watcher = undefined
    await this.#redis.clear()
  }

  /**
   * Reads what others have kept, the latest first, up to half of what may be kept: so that none of it is dropped again at once. A reply that was purged
   * after it was written is not taken.
   *
   * @returns whether it is done
   */
  async #load(): Promise<boolean> {
    const { store, applied, purges, policies } = this.#parts
    const { generation } = applied // what is purged from now on is carried out here
    const latest = await purges.latest()
    if (latest === undefined) return false
    const { storeBytes } = policies.active.policy.stale
    let [from, unreadable] = [0, 0]
    while (store.bytes < storeBytes >> 1) {
      const nowMs = this.#clock.monotonicMs()
      const page = await this.#redis.page(from, nowMs)
      if (page === undefined) return false
      if (page.length === 0) break
      from += page.length
      for (const { key, purgeNumber, replies } of page) {
        if (replies === undefined) unreadable++
        // The first one has been asked for last.
        const taken = (replies ?? []).filter(
          (reply) => !latest.hasPurged(purgeNumber, reply) && !applied.hasPurged(generation, reply),
        )
        for (const reply of taken.toReversed()) store.put(key, reply, storeBytes)
        this.#waiting.delete(key) // it has come from there
        if (taken.length > 0) this.counts.loaded++
      }
      await nextTurn() // requests come first
    }
    this.#isLoaded = true
    if (unreadable > 0) this.#log.warn({ addresses: unreadable }, 'what redis has of kept replies cannot all be read')
    if (this.counts.loaded > 0) {
      this.#log.info(
        { addresses: this.counts.loaded, bytes: store.bytes },
        'replies that others had kept are kept here',
      )
    }
    return true
  }

  /** @returns whether nothing is left to be done */
  async #unshare(): Promise<boolean> {
    while (this.#gone.size > 0) {
      const keys = this.#gone.values().take(ASKED_PER_CALL).toArray()
      for (const key of keys) this.#gone.delete(key)
      if (await this.#redis.unshare(keys)) continue
      for (const key of keys) this.#gone.add(key)
      return false
    }
    return true
  }

  /** One call's worth of it: the rest at the next time. */
  async #share(): Promise<void> {
    const { store, purges, policies } = this.#parts
    if (purges.carriedOut === undefined || this.#waiting.size === 0) return
    const asked = this.#waiting.values().take(ASKED_PER_CALL).toArray()
    const wanted = await this.#redis.notSharedFor(RENEWED_AFTER_MS, asked)
    if (wanted === undefined) return
    const isWanted = new Set(wanted)
    for (const key of asked) if (!isWanted.has(key)) this.#waiting.delete(key)
    // Nothing is waited for between these: what the store has is clean of the purges that have been carried out by now.
    const purgeNumber = purges.carriedOut
    const addresses = wanted
      .filter((key) => this.#waiting.has(key))
      .map((key) => ({ key, replies: store.peek(key)?.replies ?? [] }))
    const kept = addresses.filter(({ replies }) => replies.length > 0)
    for (const { key, replies } of addresses) if (replies.length === 0) this.#waiting.delete(key) // it has gone by itself
    for (const { key } of kept) this.#waiting.delete(key)
    const limits = { bytes: policies.active.policy.stale.sharedBytes, lifeMs: longestKeptMs(policies.active) }
    const told = await this.#redis.share(kept, purgeNumber, this.#clock.monotonicMs(), limits)
    this.counts.shared += told?.shared ?? 0
    for (const { key } of kept.slice(told?.done ?? 0)) if (!this.#gone.has(key)) this.#waiting.add(key)
  }
}

/** Of all routes. */
const longestKeptMs = ({ policy }: CompiledPolicy): number =>
  Math.max(1, ...Object.values(policy.routes).map(({ stale }) => stale?.keepSeconds ?? 0)) * 1_000
