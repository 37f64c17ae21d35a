import type { WalPosition } from './wal-position.ts'

export interface LagLimits {
  readonly lagLimitMs: number
  readonly lagLimitBytes: number
}

export interface Lag {
  readonly ms: number
  readonly bytes: number
}

/**
 * How far a replica is behind, told from positions alone that this process has seen: `now() -
 * pg_last_xact_replay_timestamp()` grows on a primary that merely has nothing to write, and trusts two clocks to agree.
 *
 * It remembers a position of the primary and since when; the lag lasts from then until the replica has replayed it. A
 * primary that is down moves no further, so that a replica which had all of its log is not behind.
 */
export class ReplicationLag {
  #awaited: { readonly position: WalPosition; readonly sinceMs: number } | undefined

  /**
   * @param written  the primary's last known position
   * @param replayed the replica's, asked for after `written`
   */
  observe(written: WalPosition, replayed: WalPosition, nowMs: number): Lag {
    if (this.#awaited === undefined || replayed >= this.#awaited.position) {
      this.#awaited = replayed >= written ? undefined : { position: written, sinceMs: nowMs }
    }
    return {
      ms: this.#awaited === undefined ? 0 : nowMs - this.#awaited.sinceMs,
      bytes: replayed >= written ? 0 : Number(written - replayed),
    }
  }
}

export const isWithin = (lag: Lag, limits: LagLimits): boolean =>
  lag.ms <= limits.lagLimitMs && lag.bytes <= limits.lagLimitBytes
