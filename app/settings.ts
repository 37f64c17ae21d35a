import { z } from 'zod'
import {
  choice,
  commonFields,
  count,
  drainTimeoutPastDelay,
  durationMs,
  loadEnvironment,
  optionalText,
  port,
} from '#shared/environment.ts'
import type { Instance } from '#shared/instance.ts'
import { SOCKET_PATH_LIMIT } from '#shared/listen.ts'
import { redisCrossChecks, redisFields } from '#shared/redis/settings.ts'
import type { DatabaseSettings } from './db/database.ts'
import type { ListenTarget } from './listen.ts'

const APP_PORT_DEFAULT = 3_000

const isPostgresUrl = (text: string): boolean => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)

const POSTGRES_URL_MEANING = 'expected a URL such as postgresql://user:password@host:5432/database'

export const postgresUrl = () => z.string(POSTGRES_URL_MEANING).refine(isPostgresUrl, POSTGRES_URL_MEANING)

const shape = {
  APP_HOST: optionalText('a host name or an address', /^[A-Za-z0-9.:_-]{1,253}$/)
    .default('127.0.0.1')
    .describe('Address of the app’s port.'),
  /** Left undefined where unset, so that a port beside a socket is noticed. */
  APP_PORT: port(APP_PORT_DEFAULT)
    .unwrap()
    .optional()
    .describe('The app’s port; 3000 where neither this nor `APP_SOCKET` is set.'),
  APP_SOCKET: optionalText(
    `an absolute path of at most ${SOCKET_PATH_LIMIT} characters`,
    new RegExp(`^/[^\\0]{1,${SOCKET_PATH_LIMIT - 1}}$`),
  ).describe('Unix socket to listen on, in the place of a port.'),
  DATABASE_URL: postgresUrl().describe('The primary: `postgresql://user:password@host:5432/database`.'),
  DATABASE_REPLICA_URLS: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((url) => url.trim())
        .filter((url) => url !== ''),
    )
    .refine((urls) => urls.every(isPostgresUrl), `${POSTGRES_URL_MEANING}, or several separated by commas`)
    .refine((urls) => urls.length <= 16, 'expected at most 16 replicas')
    .describe('Streaming replicas, one server each, separated by commas.'),
  DATABASE_POOL_SIZE: count(10, { min: 1, max: 500 }).describe(
    'Connections to each server, primary and replicas alike.',
  ),
  DATABASE_CONNECTION_TIMEOUT_MS: durationMs(2_000, { min: 10, max: 60_000 }).describe(
    'For a connection, a new one or a free one of the pool; then 503.',
  ),
  DATABASE_STATEMENT_TIMEOUT_MS: durationMs(5_000, { min: 10, max: 600_000 }).describe(
    'For one statement; the server gives it up after this.',
  ),
  DATABASE_REPLICA_LAG_LIMIT_MS: durationMs(5_000, { min: 0, max: 3_600_000 }).describe(
    'A replica that lags by more gets no reads.',
  ),
  DATABASE_REPLICA_LAG_LIMIT_BYTES: count(16 * 1_024 * 1_024, { min: 0, max: 1e12 }).describe(
    'A replica that lags by more gets no reads.',
  ),
  MIGRATE_ON_START: choice(['true', 'false'], 'true').describe('Whether pending migrations are applied at each start.'),
  ...redisFields,
  ...commonFields,
}

/** Everything that the app reads from its environment. */
export const appFields = z.object(shape)

export type AppSettings = z.output<typeof appFields>

/** @throws ConfigurationError naming every bad variable */
export const loadAppSettings = (source: Readonly<Record<string, string | undefined>>): AppSettings =>
  loadEnvironment(appFields, source, [
    drainTimeoutPastDelay,
    ...redisCrossChecks,
    ({ APP_PORT, APP_SOCKET }) =>
      APP_PORT !== undefined && APP_SOCKET !== undefined
        ? `APP_SOCKET (${APP_SOCKET}) and APP_PORT (${APP_PORT}) exclude one another: unset one of them`
        : undefined,
  ])

export const listenTarget = (settings: AppSettings): ListenTarget =>
  settings.APP_SOCKET === undefined
    ? { host: settings.APP_HOST, port: settings.APP_PORT ?? APP_PORT_DEFAULT }
    : { socketPath: settings.APP_SOCKET }

export const databaseSettings = (settings: AppSettings, instance: Instance): DatabaseSettings => ({
  primaryUrl: settings.DATABASE_URL,
  replicaUrls: settings.DATABASE_REPLICA_URLS,
  poolSize: settings.DATABASE_POOL_SIZE,
  connectionTimeoutMs: settings.DATABASE_CONNECTION_TIMEOUT_MS,
  statementTimeoutMs: settings.DATABASE_STATEMENT_TIMEOUT_MS,
  lagLimitMs: settings.DATABASE_REPLICA_LAG_LIMIT_MS,
  lagLimitBytes: settings.DATABASE_REPLICA_LAG_LIMIT_BYTES,
  applicationName: instance.id,
})
