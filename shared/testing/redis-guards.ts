import { pino } from 'pino'
import type { RedisTarget } from '../redis/settings.ts'
import { RedisGuard } from '../redis.ts'
import { eventually } from './eventually.ts'

export const HOST = '127.0.0.1'
export const TIMEOUT_MS = 50
export const NO_ACCESS = { username: undefined, password: undefined, tls: undefined }
export const quietLog = pino({ level: 'silent' })

export const singleTarget = (port: number): RedisTarget => ({
  ...NO_ACCESS,
  kind: 'single',
  node: { host: HOST, port },
  database: 0,
})

export const clusterTarget = ({
  servers,
}: {
  readonly servers: readonly { readonly port: number }[]
}): RedisTarget => ({
  ...NO_ACCESS,
  kind: 'cluster',
  nodes: servers.map(({ port }) => ({ host: HOST, port })),
})

export const guardOf = (target: RedisTarget, service = 'test', timeoutMs = TIMEOUT_MS): RedisGuard =>
  new RedisGuard(target, { timeoutMs, keyPrefix: `sidegate:${service}:`, name: 'test' }, quietLog)

/** A guard that has connected. */
export const connectedGuard = async (
  target: RedisTarget,
  service?: string,
  timeoutMs?: number,
): Promise<RedisGuard> => {
  const guard = guardOf(target, service, timeoutMs)
  await eventually('the guard has connected', () => !guard.isImpaired)
  return guard
}
