import { availableParallelism } from 'node:os'
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
import { upstreamAddress } from './upstream-url.ts'

const HOUR_MS = 3_600_000
const MEBIBYTE = 1_048_576

/** Everything the proxy reads from its environment; `UPSTREAM_URL` alone suffices. */
const fields = z.object({
  ...commonFields,
  UPSTREAM_URL: z
    .string('the app to stand in front of, as in http://127.0.0.1:4000 or unix:/run/app.sock')
    .transform((text, context) => {
      try {
        return upstreamAddress(text)
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message })
        return z.NEVER
      }
    }),
  HOST: z.string().default('::'),
  PORT: port(8080),
  ADMIN_HOST: z.string().default('::'),
  ADMIN_PORT: port(9090),
  ADMIN_TOKEN: optionalText('at least 16 characters without spaces', /^\S{16,}$/),
  WORKERS: z
    .string()
    .regex(
      /^(auto|[1-9]|[1-9]\d|1[01]\d|12[0-8])$/,
      'expected a number of processes from 1 to 128, or auto for one a CPU',
    )
    .default('1')
    .transform((workers) => (workers === 'auto' ? availableParallelism() : Number(workers))),
  ACCESS_LOG: choice(['errors', 'all', 'off'], 'errors'),

  /** GET of this path below 500 makes the app well; without it, that its port takes connections. */
  UPSTREAM_HEALTH_PATH: optionalText('a path that starts with /', /^\/\S*$/),
  UPSTREAM_CONNECTIONS_LIMIT: count(1_024, { min: 1, max: 65_535 }),
  UPSTREAM_QUEUE_LIMIT: count(1_024, { min: 1, max: 1_000_000 }),
  UPSTREAM_QUEUE_TIMEOUT_MS: durationMs(2_000, { min: 1, max: HOUR_MS }),
  UPSTREAM_CONNECT_TIMEOUT_MS: durationMs(2_000, { min: 1, max: HOUR_MS }),
  UPSTREAM_HEADERS_TIMEOUT_MS: durationMs(30_000, { min: 1, max: HOUR_MS }),
  UPSTREAM_IDLE_TIMEOUT_MS: durationMs(120_000, { min: 1, max: 24 * HOUR_MS }),
  UPSTREAM_KEEP_ALIVE_TIMEOUT_MS: durationMs(4_000, { min: 1, max: HOUR_MS }),

  CLIENT_HEADERS_TIMEOUT_MS: durationMs(10_000, { min: 100, max: HOUR_MS }),
  CLIENT_IDLE_TIMEOUT_MS: durationMs(30_000, { min: 100, max: HOUR_MS }),
  CLIENT_KEEP_ALIVE_TIMEOUT_MS: durationMs(620_000, { min: 1_000, max: 24 * HOUR_MS }),
  HEADER_LIMIT_BYTES: count(32_768, { min: 1_024, max: MEBIBYTE }),
  TARGET_LIMIT_BYTES: count(8_192, { min: 256, max: MEBIBYTE }),
  /** How much of a refused request's body is read and dropped to keep its connection. */
  UNREAD_BODY_LIMIT_BYTES: count(262_144, { min: 0, max: 64 * MEBIBYTE }),
})

export type ProxySettings = z.output<typeof fields>

/** @throws ConfigurationError naming every bad variable */
export const proxySettings = (environment: NodeJS.ProcessEnv): ProxySettings =>
  loadEnvironment(fields, environment, [
    drainTimeoutPastDelay,
    ({ PORT, ADMIN_PORT }) =>
      PORT !== undefined && PORT !== 0 && PORT === ADMIN_PORT
        ? `ADMIN_PORT must differ from PORT: both are ${PORT}`
        : undefined,
    ({ TARGET_LIMIT_BYTES, HEADER_LIMIT_BYTES }) =>
      TARGET_LIMIT_BYTES !== undefined && HEADER_LIMIT_BYTES !== undefined && TARGET_LIMIT_BYTES >= HEADER_LIMIT_BYTES
        ? `TARGET_LIMIT_BYTES (${TARGET_LIMIT_BYTES}) must be less than HEADER_LIMIT_BYTES (${HEADER_LIMIT_BYTES}), which counts the request line too`
        : undefined,
  ])
