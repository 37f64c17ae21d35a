import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { CancellablePool } from './cancellable-pool.ts'
import { PrismaClient } from './generated/client.ts'
import type { QueryClient } from './query-client.ts'

export interface PoolSettings {
  /** Connections at most. */
  readonly poolSize: number
  /** Waiting for a connection, whether a new one or one in use. */
  readonly connectionTimeoutMs: number
  /** After which the server ends a statement. */
  readonly statementTimeoutMs: number
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string
}

/** Given on top of the statement's own time: a server that hangs ends nothing, so the client has to. */
const REPLY_GRACE_MS = 500

/** Of each half of a probe: the connection, and the answer. */
const PROBE_TIMEOUT_MS = 400

/** A whole probe, with a margin for a busy event loop. */
export const PROBE_LIMIT_MS = 2 * PROBE_TIMEOUT_MS + 200

const END_FUNCTIONS = { statement: 'pg_cancel_backend', backend: 'pg_terminate_backend' } as const

/** One PostgreSQL server as this process sees it: a pool for queries, and beside it one connection to probe and to cancel by. */
export class PostgresServer {
  readonly client: PrismaClient
  readonly #pool: CancellablePool
  /** Apart, so that a pool which is in use to the last connection does not look like a server that is down. */
  readonly #probePool: pg.Pool

  constructor(url: string, settings: PoolSettings) {
    const common = { connectionString: url, keepAlive: true, application_name: settings.applicationName }
    const config = {
      ...common,
      max: settings.poolSize,
      connectionTimeoutMillis: settings.connectionTimeoutMs,
      statement_timeout: settings.statementTimeoutMs,
      query_timeout: settings.statementTimeoutMs + REPLY_GRACE_MS,
      idle_in_transaction_session_timeout: settings.statementTimeoutMs + REPLY_GRACE_MS,
    }
    this.#pool = new CancellablePool(config, (what, processId) =>
      this.#probePool.query(`select ${END_FUNCTIONS[what]}($1)`, [processId]),
    )
    this.#probePool = new pg.Pool({
      ...common,
      max: 1,
      connectionTimeoutMillis: PROBE_TIMEOUT_MS,
      query_timeout: PROBE_TIMEOUT_MS,
      // Longer than the pause between probes, so that they share a connection.
      idleTimeoutMillis: 60_000,
    })
    // Without a listener, the end of an idle connection would end the process; the pool has already dropped it.
    for (const pool of [this.#pool, this.#probePool]) pool.on('error', () => undefined)
    this.client = new PrismaClient({ adapter: new PrismaPg(this.#pool), errorFormat: 'minimal' })
  }

  /** Runs a query, which the server gives up when the signal aborts. @throws the signal's reason, then and afterwards */
  async run<T>(query: (client: QueryClient) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return signal === undefined ? query(this.client) : this.#pool.until(signal, () => query(this.client))
  }

  /** One row of a statement that belongs to a request. */
  async ask<Row extends pg.QueryResultRow>(statement: string): Promise<Row> {
    return onlyRow(await this.#pool.query<Row>(statement))
  }

  /** One row within {@link PROBE_LIMIT_MS}, or an error. */
  async probe<Row extends pg.QueryResultRow>(statement: string): Promise<Row> {
    return onlyRow(await this.#probePool.query<Row>(statement))
  }

  async close(): Promise<void> {
    await this.client.$disconnect()
    await Promise.all([this.#pool.end(), this.#probePool.end()])
  }
}

const onlyRow = <Row extends pg.QueryResultRow>({ rows }: pg.QueryResult<Row>): Row => {
  const [row] = rows
  if (row === undefined) throw new Error('the server answered with no row')
  return row
}
