import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type CrossCheck, choice, durationMs, optionalText } from '../environment.ts'

interface RedisNode {
  readonly host: string
  readonly port: number
}

interface Access {
  readonly username: string | undefined
  readonly password: string | undefined
  /** Undefined for a connection in the clear; the certificates to trust, where they are not the system's. */
  readonly tls: { readonly ca: string | undefined } | undefined
}

/** Where Redis is. */
export type RedisTarget =
  | (Access & { readonly kind: 'single'; readonly node: RedisNode; readonly database: number })
  | (Access & {
      readonly kind: 'sentinel'
      readonly sentinels: readonly RedisNode[]
      readonly masterName: string
      readonly sentinelUsername: string | undefined
      readonly sentinelPassword: string | undefined
    })
  | (Access & { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] })

const URL_MEANING =
  'expected redis://[[user]:password@]host[:port][/database], or rediss:// for TLS; within user and password % is written %25, @ %40, / %2F, # %23'
const NODES_MEANING = 'expected host:port, or several separated by commas'
const PORT_DEFAULT = 6_379

const parseUrl = (text: string): URL | undefined => {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const isPlain = url.hostname !== '' && /^(\/\d{0,4})?$/.test(url.pathname) && url.search === '' && url.hash === ''
  return isPlain && isDecodable(url.username) && isDecodable(url.password) ? url : undefined
}

const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false // a percent sign that is not written %25
  }
}

const parseNode = (text: string): RedisNode | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  return port >= 1 && port <= 65_535 ? { host: (match[1] ?? match[2]) as string, port } : undefined
}

const nodes = () =>
  z
    .string()
    .transform((text, context) => {
      const parsed = text.split(',').map((node) => parseNode(node.trim()))
      if (parsed.every((node) => node !== undefined)) return parsed
      context.addIssue({ code: 'custom', message: NODES_MEANING })
      return z.NEVER
    })
    .optional()

/** Fields of both processes that say where Redis is: one of the first three, or none. */
export const redisFields = {
  REDIS_URL: z
    .string()
    .refine((text) => parseUrl(text) !== undefined, URL_MEANING)
    .optional()
    .describe(
      'One Redis: `redis://user:password@host:6379/0`, `rediss://` for TLS. Unset with the next two: memory mode.',
    ),
  REDIS_SENTINELS: nodes().describe('Sentinels that know the master: `host:26379,host:26379`.'),
  REDIS_CLUSTER_NODES: nodes().describe('Some nodes of a Redis Cluster: `host:6379,host:6379`.'),
  REDIS_SENTINEL_MASTER: optionalText('a name without spaces', /^\S{1,128}$/)
    .default('mymaster')
    .describe('What the sentinels call the master.'),
  REDIS_USERNAME: optionalText('a name without spaces', /^\S{1,128}$/).describe(
    'ACL user, for Sentinel and Cluster; one Redis has it in `REDIS_URL`.',
  ),
  REDIS_PASSWORD: optionalText('a password', /^.{1,512}$/).describe('The same for the password.'),
  REDIS_SENTINEL_USERNAME: optionalText('a name without spaces', /^\S{1,128}$/).describe('ACL user on the sentinels.'),
  REDIS_SENTINEL_PASSWORD: optionalText('a password', /^.{1,512}$/).describe('Password of the sentinels.'),
  REDIS_TLS: choice(['true', 'false'], 'false').describe('TLS to Sentinel and Cluster; for one Redis, `rediss://`.'),
  REDIS_TLS_CA_FILE: optionalText('an absolute path', /^\/.{1,1000}$/).describe(
    'PEM file of the certificates to trust, in the place of the system’s.',
  ),
  REDIS_TIMEOUT_MS: durationMs(50, { min: 1, max: 10_000 }).describe(
    'The longest that anything waits for Redis; then it goes on without.',
  ),
  SIDEGATE_SERVICE: optionalText('1 to 64 letters, digits, ".", "_" or "-"', /^[A-Za-z0-9._-]{1,64}$/)
    .default('default')
    .describe('Instances of one name share their state: keys in Redis begin with `sidegate:<service>:`.'),
}

export type RedisSettings = z.output<z.ZodObject<typeof redisFields>>

const named = (settings: Partial<RedisSettings>): string[] =>
  (['REDIS_URL', 'REDIS_SENTINELS', 'REDIS_CLUSTER_NODES'] as const).filter((name) => settings[name] !== undefined)

/** Rules that span several of the fields. */
export const redisCrossChecks: readonly CrossCheck<RedisSettings>[] = [
  (settings) =>
    named(settings).length > 1
      ? `${named(settings).join(' and ')} exclude one another: Redis is one server, or behind sentinels, or a cluster`
      : undefined,
  ({ REDIS_URL, REDIS_USERNAME, REDIS_PASSWORD }) =>
    REDIS_URL !== undefined && (REDIS_USERNAME !== undefined || REDIS_PASSWORD !== undefined)
      ? 'REDIS_USERNAME and REDIS_PASSWORD are for Sentinel and Cluster: with REDIS_URL, write them into it'
      : undefined,
  ({ REDIS_URL, REDIS_TLS }) =>
    REDIS_URL?.startsWith('redis://') && REDIS_TLS === 'true'
      ? 'REDIS_TLS is for Sentinel and Cluster: with REDIS_URL, write rediss://'
      : undefined,
  ({ REDIS_TLS_CA_FILE, REDIS_TLS, REDIS_URL }) =>
    REDIS_TLS_CA_FILE !== undefined && REDIS_TLS === 'false' && !REDIS_URL?.startsWith('rediss:')
      ? 'REDIS_TLS_CA_FILE is of no use without TLS: write rediss:// in REDIS_URL, or set REDIS_TLS=true'
      : undefined,
  ({ REDIS_TLS_CA_FILE }) => (REDIS_TLS_CA_FILE === undefined ? undefined : unreadable(REDIS_TLS_CA_FILE)),
]

/** Undefined where there is none: memory mode. */
export const redisTarget = (settings: RedisSettings): RedisTarget | undefined => {
  const ca = settings.REDIS_TLS_CA_FILE === undefined ? undefined : readFileSync(settings.REDIS_TLS_CA_FILE, 'utf8')
  if (settings.REDIS_URL !== undefined) {
    const url = new URL(settings.REDIS_URL)
    return {
      kind: 'single',
      node: { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || PORT_DEFAULT) },
      database: Number(url.pathname.slice(1) || 0),
      username: decodeURIComponent(url.username) || undefined,
      password: decodeURIComponent(url.password) || undefined,
      tls: url.protocol === 'rediss:' ? { ca } : undefined,
    }
  }
  const access: Access = {
    username: settings.REDIS_USERNAME,
    password: settings.REDIS_PASSWORD,
    tls: settings.REDIS_TLS === 'true' ? { ca } : undefined,
  }
  if (settings.REDIS_CLUSTER_NODES !== undefined) {
    return { ...access, kind: 'cluster', nodes: settings.REDIS_CLUSTER_NODES }
  }
  if (settings.REDIS_SENTINELS === undefined) return undefined
  return {
    ...access,
    kind: 'sentinel',
    sentinels: settings.REDIS_SENTINELS,
    masterName: settings.REDIS_SENTINEL_MASTER,
    sentinelUsername: settings.REDIS_SENTINEL_USERNAME,
    sentinelPassword: settings.REDIS_SENTINEL_PASSWORD,
  }
}

const unreadable = (path: string): string | undefined => {
  try {
    readFileSync(path)
    return undefined
  } catch (error) {
    return `REDIS_TLS_CA_FILE: ${(error as Error).message}: name a PEM file that this user may read`
  }
}
