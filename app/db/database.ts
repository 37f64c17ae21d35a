import { type Clock, systemClock } from '#shared/clock.ts'
import type { DependencyCheck } from '#shared/health.ts'
import type { Logger } from '#shared/log.ts'
import { type PoolSettings, PostgresServer, PROBE_LIMIT_MS } from './postgres-server.ts'
import type { QueryClient } from './query-client.ts'
import { Replica } from './replica.ts'
import type { LagLimits } from './replication-lag.ts'
import { DatabaseUnavailable, isUnavailability } from './unavailable.ts'
import { parseWalPosition, WAL_START, type WalPosition } from './wal-position.ts'

const PROBE_INTERVAL_MS = 1_000

export interface DatabaseSettings extends PoolSettings, LagLimits {
  readonly primaryUrl: string
  readonly replicaUrls: readonly string[]
}

/** `replica-behind`: it may lack the newest writes; see {@link Database.read}. */
export type ServedBy = 'primary' | 'replica' | 'replica-behind'

export interface Answer<T> {
  readonly value: T
  readonly servedBy: ServedBy
}

/** Told of every query that was sent to a server. */
export type CallObserver = (
  call: 'read' | 'write',
  servedBy: ServedBy,
  outcome: 'answered' | 'failed' | 'cancelled',
) => void

type Query<T> = (client: QueryClient) => Promise<T>

/**
 * The primary and its replicas, and which of them answers what.
 *
 * **Writes** go to the primary. **Reads** go to a replica that follows the primary within the lag limits *and* has
 * replayed the last write that this process has acknowledged; where there is none, to the primary. So whoever writes
 * through this process and then reads through it sees the write. Through another process it may take up to the lag.
 */
export class Database {
  readonly #primary: PostgresServer
  readonly #replicas: readonly Replica[]
  readonly #log: Logger
  readonly #onCall: CallObserver
  /** Where the log stood after the last write that was acknowledged. */
  #lastWrite: WalPosition = WAL_START
  /** Where the primary was last seen to be. */
  #written: WalPosition | undefined
  #turn = 0

  constructor(settings: DatabaseSettings, log: Logger, onCall: CallObserver, clock: Clock = systemClock) {
    this.#primary = new PostgresServer(settings.primaryUrl, settings)
    this.#replicas = settings.replicaUrls.map(
      (url, index) => new Replica(`replica-${index + 1}`, new PostgresServer(url, settings), settings, clock),
    )
    this.#log = log
    this.#onCall = onCall
  }

  /**
   * Runs a query that only reads. A replica that fails it hands it on to the next, then to the primary. When the primary
   * is gone too, a replica that is behind answers: an old page serves a reader better than none, and
   * `servedBy` says so.
   *
   * @param query  may run several times
   * @param signal of the request's work: where it aborts, no server goes on with the query
   * @throws DatabaseUnavailable, the signal's reason, or whatever else the query ends with
   */
  async read<T>(query: Query<T>, signal?: AbortSignal): Promise<Answer<T>> {
    const replicas = this.#inTurn()
    for (const replica of replicas) {
      if (!(await replica.hasReplayed(this.#lastWrite))) continue
      const answer = await this.#tryReplica(replica, query, signal, 'replica')
      if (answer !== undefined) return answer
    }
    try {
      return await this.#ask('read', this.#primary, query, signal, 'primary')
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error
      for (const replica of replicas) {
        if (replica.standing === 'down') continue
        const answer = await this.#tryReplica(replica, query, signal, 'replica-behind')
        if (answer !== undefined) return answer
      }
      throw error
    }
  }

  /**
   * Runs a query that writes, and notes where in the log it ended. Where that cannot be learned the write counts as
   * unanswered, though it may have happened, as with every connection that breaks under a write.
   *
   * @param signal as of {@link read}
   * @throws DatabaseUnavailable, the signal's reason, or whatever else the query ends with
   */
  async write<T>(query: Query<T>, signal?: AbortSignal): Promise<Answer<T>> {
    return this.#ask(
      'write',
      this.#primary,
      async (client) => {
        const value = await query(client)
        // The insert position: past the commit even where `synchronous_commit` is off.
        const { position } = await this.#primary.ask<{ position: string }>(
          'select pg_current_wal_insert_lsn()::text as position',
        )
        const written = parseWalPosition(position)
        if (written > this.#lastWrite) this.#lastWrite = written
        return value
      },
      signal,
      'primary',
    )
  }

  /** What health watches. The probes also feed the routing, so that without them every read goes to the primary. */
  checks(): DependencyCheck[] {
    const intervalMs = PROBE_INTERVAL_MS
    return [
      {
        name: 'database-primary',
        required: true,
        intervalMs,
        timeoutMs: PROBE_LIMIT_MS,
        probe: async () => {
          await this.#askWritten()
        },
      },
      ...this.#replicas.map((replica) => ({
        name: `database-${replica.name}`,
        required: false,
        intervalMs,
        timeoutMs: 2 * PROBE_LIMIT_MS,
        probe: async () => replica.probe(this.#written ?? (await this.#askWritten().catch(() => undefined))),
      })),
    ]
  }

  async close(): Promise<void> {
    await Promise.all([this.#primary, ...this.#replicas.map(({ server }) => server)].map((server) => server.close()))
  }

  async #askWritten(): Promise<WalPosition> {
    const { position, standby } = await this.#primary.probe<{ position: string | null; standby: boolean }>(
      'select pg_is_in_recovery() as standby, case when pg_is_in_recovery() then null else pg_current_wal_lsn()::text end as position',
    )
    if (standby || position === null) throw new Error('it is a standby: it takes no writes')
    this.#written = parseWalPosition(position)
    return this.#written
  }

  async #tryReplica<T>(
    replica: Replica,
    query: Query<T>,
    signal: AbortSignal | undefined,
    servedBy: ServedBy,
  ): Promise<Answer<T> | undefined> {
    try {
      return await this.#ask('read', replica.server, query, signal, servedBy)
    } catch (error) {
      if (signal?.aborted === true) throw error // what was cancelled tells nothing of the replica
      if (error instanceof DatabaseUnavailable) replica.distrust()
      this.#log.warn({ err: error, replica: replica.name }, 'a read failed on a replica and moves on')
      return undefined
    }
  }

  async #ask<T>(
    call: 'read' | 'write',
    server: PostgresServer,
    query: Query<T>,
    signal: AbortSignal | undefined,
    servedBy: ServedBy,
  ): Promise<Answer<T>> {
    try {
      const value = await server.run(query, signal)
      this.#onCall(call, servedBy, 'answered')
      return { value, servedBy }
    } catch (error) {
      if (signal?.aborted === true) {
        this.#onCall(call, servedBy, 'cancelled')
        throw error
      }
      this.#onCall(call, servedBy, 'failed')
      if (!isUnavailability(error)) throw error
      throw new DatabaseUnavailable(`the ${servedBy} did not answer a ${call}`, { cause: error })
    }
  }

  /** The replicas, beginning with another one each time. */
  #inTurn(): readonly Replica[] {
    if (this.#replicas.length < 2) return this.#replicas
    const first = this.#turn++ % this.#replicas.length
    return [...this.#replicas.slice(first), ...this.#replicas.slice(0, first)]
  }
}
