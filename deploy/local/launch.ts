import { join } from 'node:path'
import type { Logger } from '#shared/log.ts'
import { redisFields } from '#shared/redis/settings.ts'
import { proxyNode } from '../../proxy/node-options.ts'
import { provideAdminToken } from './admin-token.ts'
import { provideChallengeKey } from './challenge-key.ts'
import { type LaunchSettings, LOOPBACK, REPOSITORY_DIR, urlOf } from './launch-settings.ts'
import { type PostgresCluster, startPostgresCluster } from './postgres-cluster.ts'
import { waitUntilReady } from './readiness.ts'
import { startRedis } from './redis-server.ts'
import { runCommand } from './run-command.ts'
import { SupervisedProcess } from './supervised-process.ts'
import type { Supervisor } from './supervisor.ts'

/** Migrations included. */
const READY_TIMEOUT_MS = 25_000
/** On top of the drain's own limit, after which a process that still runs is hung. */
const STOP_MARGIN_MS = 1_000

/** Set here for the children; what the developer's shell has for them is of another place. */
const OWN_VARIABLES = [
  ...['APP_SOCKET', 'APP_HOST', 'DATABASE_URL', 'DATABASE_REPLICA_URLS', 'UPSTREAM_URL'],
  ...Object.keys(redisFields).filter((name) => name.startsWith('REDIS_') && name !== 'REDIS_TIMEOUT_MS'),
]

export interface LaunchOptions {
  readonly fresh: boolean
  /** How the children's log lines look. */
  readonly logFormat: 'json' | 'pretty'
}

/** What a local run consists of, once it is ready. */
export interface Launched {
  readonly cluster: PostgresCluster
  readonly hasRedis: boolean
  /** Holds a token for the admin port. */
  readonly adminTokenFile: string
}

/**
 * Starts the parts, each once the one that it needs is ready: PostgreSQL, Redis, the app with its migrations and
 * samples, the proxy. Each is made known to the supervisor as soon as it runs.
 */
export const launch = async (
  settings: LaunchSettings,
  options: LaunchOptions,
  supervisor: Supervisor,
  log: Logger,
): Promise<Launched> => {
  const { APP_PORT, PORT, HOST, ADMIN_PORT, ADMIN_HOST } = settings
  const cluster = await launchPostgres(settings, options.fresh, supervisor, log)
  const redisUrl = await launchRedis(settings, supervisor, log)

  const base: NodeJS.ProcessEnv = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.includes(name))),
    LOG_LEVEL: settings.LOG_LEVEL,
    LOG_FORMAT: options.logFormat,
    DRAIN_DELAY_MS: String(settings.DRAIN_DELAY_MS),
    DRAIN_TIMEOUT_MS: String(settings.DRAIN_TIMEOUT_MS),
    ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
  }
  const appEnvironment = {
    ...base,
    APP_HOST: LOOPBACK,
    APP_PORT: String(APP_PORT),
    DATABASE_URL: cluster.primaryUrl,
    DATABASE_REPLICA_URLS: cluster.replicaUrl,
  }
  const start = (name: string, nodeArguments: readonly string[], environment: NodeJS.ProcessEnv) =>
    launchProcess(name, nodeArguments, environment, settings.DRAIN_TIMEOUT_MS + STOP_MARGIN_MS, supervisor)

  start('app', ['app/main.ts'], appEnvironment)
  await waitUntilReady(`${urlOf(LOOPBACK, APP_PORT)}/health/ready`, READY_TIMEOUT_MS, supervisor.halted)
  const seeded = await runCommand(process.execPath, ['app/db/seed.ts'], {
    cwd: REPOSITORY_DIR,
    environment: appEnvironment,
  })
  log.info(seeded.trim())

  const { tokenFile, keyringDir } = await provideAdminToken(settings.SIDEGATE_DATA_DIR)
  await provideChallengeKey(keyringDir)
  start('proxy', [...proxyNode.flags, 'proxy/main.ts'], {
    ACCESS_LOG: 'all',
    KEYRING_DIR: keyringDir,
    ...proxyNode.environment,
    ...base,
    HOST,
    PORT: String(PORT),
    ADMIN_HOST,
    ADMIN_PORT: String(ADMIN_PORT),
    UPSTREAM_URL: urlOf(LOOPBACK, APP_PORT),
    UPSTREAM_HEALTH_PATH: '/health/ready',
  })
  await waitUntilReady(`${urlOf(ADMIN_HOST, ADMIN_PORT)}/health/ready`, READY_TIMEOUT_MS, supervisor.halted)
  return { cluster, hasRedis: redisUrl !== undefined, adminTokenFile: tokenFile }
}

const launchPostgres = async (
  settings: LaunchSettings,
  fresh: boolean,
  supervisor: Supervisor,
  log: Logger,
): Promise<PostgresCluster> => {
  const cluster = await startPostgresCluster({
    dataDir: join(settings.SIDEGATE_DATA_DIR, 'postgres'),
    host: LOOPBACK,
    primaryPort: settings.POSTGRES_PRIMARY_PORT,
    replicaPort: settings.POSTGRES_REPLICA_PORT,
    log,
    fresh,
  })
  supervisor.started('PostgreSQL', cluster.stop)
  cluster.primary.onUnexpectedEnd((outcome) => supervisor.broke('PostgreSQL primary', outcome))
  cluster.replica.onUnexpectedEnd((outcome) => supervisor.broke('PostgreSQL replica', outcome))
  supervisor.halted.throwIfAborted()
  return cluster
}

const launchRedis = async (
  settings: LaunchSettings,
  supervisor: Supervisor,
  log: Logger,
): Promise<string | undefined> => {
  const redis = await startRedis({
    host: LOOPBACK,
    port: settings.REDIS_PORT,
    dataDir: join(settings.SIDEGATE_DATA_DIR, 'redis'),
    onLine: (line) => log.debug(`redis: ${line}`),
  })
  if (redis === undefined) {
    log.warn('no redis-server on the PATH: running in memory mode')
    return undefined
  }
  supervisor.started('redis', () => redis.process.stop())
  // The others are made to do without.
  redis.process.onUnexpectedEnd((outcome) => log.error(`redis ended unexpectedly (${outcome}): going on without it`))
  supervisor.halted.throwIfAborted()
  return redis.url
}

const launchProcess = (
  name: string,
  nodeArguments: readonly string[],
  environment: NodeJS.ProcessEnv,
  stopStepMs: number,
  supervisor: Supervisor,
): void => {
  supervisor.halted.throwIfAborted()
  const process_ = new SupervisedProcess({
    name,
    command: process.execPath,
    args: nodeArguments,
    environment,
    cwd: REPOSITORY_DIR,
    stopSignals: ['SIGTERM'],
    stopStepMs,
    leashSignal: 'KILL',
    // Log lines as they are: each says which process it is of.
    onLine: (line, stream) => process[stream].write(`${line}\n`),
  })
  supervisor.started(name, () => process_.stop())
  process_.onUnexpectedEnd((outcome) => supervisor.broke(name, outcome))
}
