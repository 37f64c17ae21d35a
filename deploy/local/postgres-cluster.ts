import { freePort } from './ports.ts'
import { postgresAccount } from './postgres-account.ts'
import { POSTGRES_NAME, PostgresData, REPLICATION_SLOT } from './postgres-data.ts'
import { postgresFolders } from './postgres-folders.ts'
import { clearOrphan } from './postgres-orphan.ts'
import { PostgresServer } from './postgres-server.ts'

/** A standby that has not begun to stream by then is taken for one that cannot follow. */
const STREAMING_TIMEOUT_MS = 8_000
const STREAMING = /started streaming WAL from primary/

const TROUBLE = /^(FATAL|PANIC|ERROR|WARNING):/
/** What an ordinary stop ends says so as FATAL. */
const BY_REQUEST = /due to administrator command/

/** What the cluster has to say; a `shared/log.ts` logger will do. */
export interface ClusterLog {
  info(line: string): void
  warn(line: string): void
  debug(line: string): void
}

const silent: ClusterLog = { info: () => undefined, warn: () => undefined, debug: () => undefined }

export interface PostgresClusterOptions {
  /** Made where it is missing; its data are kept and used again. */
  readonly dataDir: string
  /** 0 and undefined pick a free port. */
  readonly primaryPort?: number
  readonly replicaPort?: number
  readonly host?: string
  readonly log?: ClusterLog
  /** Starts over: what `dataDir` holds is lost. */
  readonly fresh?: boolean
  /** False trades the safety of the data, should the machine fail, for speed; for tests. */
  readonly durable?: boolean
}

export interface PostgresCluster {
  readonly primaryUrl: string
  readonly replicaUrl: string
  readonly primary: PostgresServer
  readonly replica: PostgresServer
  /** E.g. `18.4`. */
  readonly version: string
  /** Holds the password; may be given to psql as PGPASSFILE. */
  readonly passFile: string
  stop(): Promise<void>
}

/**
 * PostgreSQL as production has it, on loopback: a primary, and a standby that streams from it. Resolves once both accept
 * connections and the standby streams.
 *
 * @throws Error that says what to do, with everything that was started stopped again
 */
export const startPostgresCluster = async (options: PostgresClusterOptions): Promise<PostgresCluster> => {
  const { host = '127.0.0.1', log = silent, durable = true } = options
  const account = await postgresAccount()
  const folders = await postgresFolders(options.dataDir, account, (line) => log.info(line))
  const data = new PostgresData(folders, account)

  const supervisorPid = await data.supervisorPid()
  for (const dir of [data.replicaDir, data.primaryDir]) await clearOrphan(dir, supervisorPid, (line) => log.warn(line))
  await data.claim()
  if (options.fresh === true) await data.wipe()
  await data.assertVersion()
  if (!(await data.hasPrimary())) {
    log.info(`making a PostgreSQL ${folders.version} cluster in ${folders.dataDir}`)
    await data.createPrimary(durable)
  }
  if (!(await data.hasReplica())) await data.createReplica()

  const password = await data.password()
  const primaryPort = options.primaryPort || (await freePort(host))
  const replicaPort = options.replicaPort || (await freePort(host))
  const server = (name: string, serverDir: string, port: number, own: Record<string, string>) =>
    new PostgresServer({
      name,
      serverDir,
      host,
      port,
      account,
      binDir: folders.binDir,
      url: `postgresql://${POSTGRES_NAME}:${password}@${host}:${port}/${POSTGRES_NAME}`,
      parameters: { ...parameters(durable), ...own },
      onLine: (line) => {
        if (TROUBLE.test(line) && !BY_REQUEST.test(line)) log.warn(`${name}: ${line}`)
        else log.debug(`${name}: ${line}`)
      },
    })
  const primary = server('primary', data.primaryDir, primaryPort, {})
  const replica = server('replica', data.replicaDir, replicaPort, {
    primary_conninfo: `host=${host} port=${primaryPort} user=${POSTGRES_NAME} passfile='${data.passFile.replace(/[\\']/g, '\\$&')}'`,
    primary_slot_name: REPLICATION_SLOT,
  })

  // Together: the primary's shutdown waits until the standby has what it sends.
  const stop = async () => {
    await Promise.all([replica.stop(), primary.stop()])
  }
  try {
    await primary.start()
    const reason = await whyNotStreaming(replica)
    if (reason !== undefined) {
      log.warn(`the standby cannot follow the primary, and is made anew from the primary's data (${reason})`)
      await stop()
      await data.createReplica()
      await primary.start()
      const again = await whyNotStreaming(replica)
      if (again !== undefined) throw new Error(again)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return {
    primaryUrl: primary.url,
    replicaUrl: replica.url,
    primary,
    replica,
    version: folders.version,
    passFile: data.passFile,
    stop,
  }
}

/** Starts the standby; undefined once it streams. */
const whyNotStreaming = async (replica: PostgresServer): Promise<string | undefined> => {
  try {
    await replica.start(STREAMING, STREAMING_TIMEOUT_MS)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Small, and with limits equal on both servers: a standby refuses to start with lower ones than its primary's. */
const parameters = (durable: boolean): Record<string, string | number> => ({
  max_connections: 200,
  shared_buffers: '32MB',
  io_method: 'sync',
  wal_level: 'replica',
  max_slot_wal_keep_size: '1GB',
  wal_retrieve_retry_interval: '500ms',
  // Rows that a long read on the standby still needs are not vacuumed away under it.
  hot_standby_feedback: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '',
  logging_collector: 'off',
  ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
})
