import type { Clock } from '#shared/clock.ts'
import type { PostgresServer } from './postgres-server.ts'
import { isWithin, type LagLimits, ReplicationLag } from './replication-lag.ts'
import { parseWalPosition, WAL_START, type WalPosition } from './wal-position.ts'

/**
 * `down ⇄ behind ⇄ following`, by the last probe; a failed read makes it `down` until the next one.
 *
 * - down:      not reached, or not a standby (one that was promoted goes its own way)
 * - behind:    beyond a lag limit, or the primary has not been seen yet, so that nobody knows
 * - following: within both lag limits
 */
export type ReplicaStanding = 'down' | 'behind' | 'following'

interface Replay {
  readonly position: string | null
  readonly standby: boolean
}

const REPLAY = 'select pg_last_wal_replay_lsn()::text as position, pg_is_in_recovery() as standby'

/** One streaming replica. Its URL has to lead to one server: what one of several has replayed says nothing of the next. */
export class Replica {
  readonly name: string
  readonly server: PostgresServer
  readonly #limits: LagLimits
  readonly #clock: Clock
  readonly #lag = new ReplicationLag()
  #standing: ReplicaStanding = 'down'
  #replayed: WalPosition = WAL_START
  #asking: Promise<WalPosition> | undefined

  constructor(name: string, server: PostgresServer, limits: LagLimits, clock: Clock) {
    this.name = name
    this.server = server
    this.#limits = limits
    this.#clock = clock
  }

  get standing(): ReplicaStanding {
    return this.#standing
  }

  /**
   * Takes the replica's standing anew.
   *
   * @param written the primary's last known position, undefined while there is none
   * @throws Error unless it follows
   */
  async probe(written: WalPosition | undefined): Promise<void> {
    const replayed = await this.#askReplayed()
    if (written === undefined) {
      this.#standing = 'behind'
      throw new Error('how far it is behind is not known before the primary has answered once')
    }
    const lag = this.#lag.observe(written, replayed, this.#clock.monotonicMs())
    this.#standing = isWithin(lag, this.#limits) ? 'following' : 'behind'
    if (this.#standing === 'behind')
      throw new Error(`${lag.bytes} bytes and ${Math.round(lag.ms)} ms behind the primary`)
  }

  /** Whether a read here sees everything up to `position`; asks the replica where the last answer does not settle it. */
  async hasReplayed(position: WalPosition): Promise<boolean> {
    if (this.#standing !== 'following') return false
    if (this.#replayed >= position) return true
    try {
      return (await this.#askReplayed()) >= position
    } catch {
      return false // it is down now, and the next probe reports why
    }
  }

  /** A read has failed here: no more of them until a probe succeeds. */
  distrust(): void {
    this.#standing = 'down'
  }

  /** One question at a time, whose answer all that wait for it share. */
  #askReplayed(): Promise<WalPosition> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<WalPosition> {
    try {
      const { position, standby } = await this.server.probe<Replay>(REPLAY)
      if (!standby || position === null) throw new Error('it is not a standby: it takes writes of its own')
      this.#replayed = parseWalPosition(position)
      return this.#replayed
    } catch (error) {
      this.#standing = 'down'
      throw error
    }
  }
}
