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
import { redisCrossChecks, redisFields } from '#shared/redis/settings.ts'
import { SECRET } from './state/challenge/keys.ts'
import { upstreamAddress } from './upstream/address.ts'

const HOUR_MS = 3_600_000
const MEBIBYTE = 1_048_576

const token = () => optionalText('at least 16 characters without spaces', /^\S{16,}$/)

/** Everything that the proxy reads from its environment; `UPSTREAM_URL` alone suffices. */
export const proxyFields = z.object({
  UPSTREAM_URL: z
    .string('expected the app to stand in front of, as in http://127.0.0.1:4000 or unix:/run/app.sock')
    .transform((text, context) => {
      try {
        return upstreamAddress(text)
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message })
        return z.NEVER
      }
    })
    .describe('The app: `http://host:port`, `https://host:port` or `unix:/path.sock`. The only one that is required.'),
  HOST: z.string().default('::').describe('Address of the traffic port.'),
  PORT: port(8080).describe('Traffic port.'),
  ADMIN_HOST: z.string().default('::').describe('Address of the admin port.'),
  ADMIN_PORT: port(9090).describe('Admin port: health, metrics, status.'),
  ADMIN_TOKEN: token().describe(
    'Bearer token for all of `/api/*` and `/drain` on the admin port. Without any token those are off.',
  ),
  ADMIN_PUBLIC_URL: optionalText(
    'a URL that begins with https:// or http://, as in https://sidegate.example.com',
    /^https?:\/\/[\w.:[\]-]+(\/[\w.~%/-]*)?$/,
  )
    .refine((text) => text === undefined || URL.canParse(text), 'expected a URL')
    .describe('Where people reach the admin port: alerts link to its dashboard. Unset: they have no link.'),
  ADMIN_READ_TOKEN: token().describe('Bearer token that may look, and change nothing.'),
  KEYRING_DIR: optionalText('the path of a folder', /^[^\0]{1,1000}$/).describe(
    'A mounted folder of keys, read again when they change. `admin-tokens.yaml` in it has tokens for the admin port by name, with roles, as digests; `challenge-keys.yaml` and `machine-tokens.yaml` are for challenges ([challenge](challenge.md)).',
  ),
  CHALLENGE_KEY: optionalText('32 to 512 characters without spaces', SECRET).describe(
    'Signs challenges and clearances where `KEYRING_DIR` has no `challenge-keys.yaml`; the same for all instances.',
  ),
  TURNSTILE_SECRET: optionalText('the secret key of a Turnstile widget', /^\S{1,512}$/).describe(
    'For `challenge.provider: turnstile` in the policy.',
  ),
  HCAPTCHA_SECRET: optionalText('the secret key of an hCaptcha account', /^\S{1,512}$/).describe(
    'For `challenge.provider: hcaptcha` in the policy.',
  ),
  CDN_PURGE_TOKEN: optionalText('the credential that purges are told to the CDN with', /^[\x21-\x7e]{8,512}$/).describe(
    'For `cdn.purge` in the policy, where `KEYRING_DIR` has no `cdn-credentials.yaml`; signs what a webhook is sent.',
  ),
  WORKERS: z
    .string()
    .regex(
      /^(auto|[1-9]|[1-9]\d|1[01]\d|12[0-8])$/,
      'expected a number of processes from 1 to 128, or auto for one a CPU',
    )
    .default('1')
    .transform((workers) => (workers === 'auto' ? availableParallelism() : Number(workers)))
    .describe('Processes that share the traffic port; `auto` is one a CPU.'),
  POLICY_FILE: optionalText('the path of a file', /^[^\0]{1,1000}$/).describe(
    'The policy to begin with, as YAML ([reference](policy.md)); a version that the fleet has agreed on counts instead. Unset: all defaults.',
  ),
  ACCESS_LOG: choice(['errors', 'all', 'off'], 'errors').describe(
    '`errors` logs refusals, cut replies, clients that left and 5xx of the app; `all` logs each exchange; `off` only what never became a request.',
  ),
  UPSTREAM_HEALTH_PATH: optionalText('a path that starts with /', /^\/\S*$/).describe(
    'A GET of this path that answers below 500 shows that the app is well; unset, that its port takes connections does.',
  ),
  UPSTREAM_CONNECTIONS_LIMIT: count(1_024, { min: 1, max: 65_535 }).describe(
    'Connections to the app at once, per process.',
  ),
  UPSTREAM_QUEUE_LIMIT: count(1_024, { min: 1, max: 1_000_000 }).describe(
    'Requests that may wait for one of them, beside those for which one is being opened; more get 503.',
  ),
  UPSTREAM_QUEUE_TIMEOUT_MS: durationMs(2_000, { min: 1, max: HOUR_MS }).describe('The longest such wait; then 503.'),
  UPSTREAM_CONNECT_TIMEOUT_MS: durationMs(2_000, { min: 1, max: HOUR_MS }).describe(
    'To connect to the app; then 504. In the policy, `connectTimeoutMs` of an operation comes before it.',
  ),
  UPSTREAM_HEADERS_TIMEOUT_MS: durationMs(30_000, { min: 1, max: HOUR_MS }).describe(
    'From the end of the request to the head of the reply; then 504. In the policy, `headersTimeoutMs` of an operation comes before it.',
  ),
  UPSTREAM_HEADER_LIMIT_BYTES: count(65_536, { min: 1_024, max: 16 * MEBIBYTE }).describe(
    'Of a reply’s header section; more is 502.',
  ),
  UPSTREAM_IDLE_TIMEOUT_MS: durationMs(120_000, { min: 1, max: 24 * HOUR_MS }).describe(
    'Between two pieces of a reply, while the client reads, or of what passes an upgraded connection; then it is cut. In the policy, `idleTimeoutMs` of an operation comes before it.',
  ),
  UPSTREAM_KEEP_ALIVE_TIMEOUT_MS: durationMs(4_000, { min: 1, max: HOUR_MS }).describe(
    'Idle connections to the app are closed after this. Keep it below the app’s own.',
  ),
  CLIENT_HEADERS_TIMEOUT_MS: durationMs(10_000, { min: 100, max: HOUR_MS }).describe(
    'For a request’s head to arrive whole; then 408.',
  ),
  CLIENT_IDLE_TIMEOUT_MS: durationMs(30_000, { min: 100, max: HOUR_MS }).describe(
    'The longest that a client may pause within its body (then 408), or leave its reply unread (then cut).',
  ),
  CLIENT_KEEP_ALIVE_TIMEOUT_MS: durationMs(620_000, { min: 1_000, max: 24 * HOUR_MS }).describe(
    'Idle client connections are closed after this. Keep it above the CDN’s own.',
  ),
  HEADER_LIMIT_BYTES: count(32_768, { min: 1_024, max: MEBIBYTE }).describe(
    'Of request line and header section together; more is 431.',
  ),
  TARGET_LIMIT_BYTES: count(8_192, { min: 256, max: MEBIBYTE }).describe('Of the request target; more is 414.'),
  UNREAD_BODY_LIMIT_BYTES: count(262_144, { min: 0, max: 64 * MEBIBYTE }).describe(
    'How much of a refused request’s body is read and dropped to keep its connection.',
  ),
  ...redisFields,
  ...commonFields,
})

export type ProxySettings = z.output<typeof proxyFields>

/** @throws ConfigurationError naming every bad variable */
export const proxySettings = (environment: NodeJS.ProcessEnv): ProxySettings =>
  loadEnvironment(proxyFields, environment, [
    drainTimeoutPastDelay,
    ...redisCrossChecks,
    ({ PORT, ADMIN_PORT }) =>
      PORT !== undefined && PORT !== 0 && PORT === ADMIN_PORT
        ? `ADMIN_PORT must differ from PORT: both are ${PORT}`
        : undefined,
    ({ ADMIN_TOKEN, ADMIN_READ_TOKEN }) =>
      ADMIN_TOKEN !== undefined && ADMIN_TOKEN === ADMIN_READ_TOKEN
        ? 'ADMIN_READ_TOKEN must differ from ADMIN_TOKEN: who has it could do everything'
        : undefined,
    ({ TARGET_LIMIT_BYTES, HEADER_LIMIT_BYTES }) =>
      TARGET_LIMIT_BYTES !== undefined && HEADER_LIMIT_BYTES !== undefined && TARGET_LIMIT_BYTES >= HEADER_LIMIT_BYTES
        ? `TARGET_LIMIT_BYTES (${TARGET_LIMIT_BYTES}) must be less than HEADER_LIMIT_BYTES (${HEADER_LIMIT_BYTES}), which counts the request line too`
        : undefined,
  ])
