import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '#shared/log.ts'
import { LeaderLock } from '#shared/redis/leader-lock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { ProxySettings } from '../../settings.ts'
import type { AppliedPurges } from '../../stale/applied-purges.ts'
import type { CompiledPolicy } from '../../state/policy/compile.ts'
import type { CdnCredentials } from './cdn-credentials.ts'
import type { CdnProvider } from './cdn-provider.ts'
import { MemoryPurgeLedger } from './memory-purge-ledger.ts'
import type { PurgeDelivery } from './purge-delivery.ts'
import { Purges } from './purges.ts'
import { RedisPurgeLedger } from './redis-purge-ledger.ts'

/** How often is looked whether there is something to be told to the CDN. */
const DELIVERY_INTERVAL_MS = 250
const CLOSED_WITHIN_MS = 1_000

export interface PurgingState {
  readonly purges: Purges
  /** Whom the policy says that purges are told to; undefined for nobody. */
  provider(): Promise<CdnProvider | undefined>
  /** Calls to the CDN, by what they have come to. */
  readonly calls: { readonly done: number; readonly again: number; readonly refused: number }
  close(): Promise<void>
}

interface PurgingParts {
  readonly redis: RedisGuard | undefined
  readonly policies: { readonly active: CompiledPolicy }
  /** Undefined for a process that serves nothing itself. */
  readonly applied: AppliedPurges | undefined
}

/**
 * Opens purges. One process of the fleet tells the CDN, as many calls as it allows; what does so is loaded once the policy names a CDN.
 *
 * @throws ConfigurationError where the keyring cannot be read
 */
export const openPurges = async (
  settings: Pick<ProxySettings, 'KEYRING_DIR' | 'CDN_PURGE_TOKEN'>,
  instanceId: string,
  { redis, policies, applied }: PurgingParts,
  log: Logger,
): Promise<PurgingState> => {
  const ledger =
    redis === undefined ? new MemoryPurgeLedger() : new RedisPurgeLedger(redis, applied === undefined ? '' : instanceId)
  const purges = new Purges(ledger, applied, log)
  await purges.learn()
  const credentials = await openCredentials(settings, log)
  const purgeSettings = () => policies.active.policy.cdn.purge

  const provider = async (): Promise<CdnProvider | undefined> => {
    const { provider: name } = purgeSettings()
    return name === 'none' ? undefined : (await import('./providers.ts')).providers[name]
  }
  let delivery: PurgeDelivery | undefined
  let lock: LeaderLock | undefined
  let delivering: Promise<void> | undefined
  const deliver = async (): Promise<void> => {
    const named = await provider()
    if (named === undefined) return
    lock ??= new LeaderLock(redis, instanceId, { name: 'purges' }, log)
    delivery ??= new (await import('./purge-delivery.ts')).PurgeDelivery(ledger, log)
    if (lock.token === undefined) return
    const given = purgeSettings()
    await delivery.deliver({ provider: named, settings: given, token: credentials.tokenOf(given.provider) })
  }
  const timer = setInterval(() => {
    delivering ??= deliver()
      .catch((error: unknown) => log.error({ err: error }, 'purges could not be delivered'))
      .finally(() => {
        delivering = undefined
      })
  }, DELIVERY_INTERVAL_MS)
  timer.unref()

  return {
    purges,
    provider,
    get calls() {
      return delivery?.calls ?? { done: 0, again: 0, refused: 0 }
    },
    async close() {
      clearInterval(timer)
      // A CDN that hangs holds no drain up: what it has not taken is told by another one, once its lease has passed.
      await Promise.race([delivering, delay(CLOSED_WITHIN_MS, undefined, { ref: false })])
      await lock?.close()
      credentials.close()
      await purges.close()
    },
  }
}

const openCredentials = async (
  { KEYRING_DIR, CDN_PURGE_TOKEN }: Pick<ProxySettings, 'KEYRING_DIR' | 'CDN_PURGE_TOKEN'>,
  log: Logger,
): Promise<{ tokenOf(provider: string): string | undefined; close(): void }> => {
  if (KEYRING_DIR === undefined) return { tokenOf: () => CDN_PURGE_TOKEN, close: () => undefined }
  const { Keyset } = await import('#shared/keyring.ts')
  const { NO_CREDENTIALS, readCdnCredentials } = await import('./cdn-credentials.ts')
  const source = { folder: KEYRING_DIR, file: 'cdn-credentials.yaml', none: NO_CREDENTIALS, read: readCdnCredentials }
  const keyset = await Keyset.open<CdnCredentials>(source, log)
  return {
    tokenOf: (provider) => keyset.current.get(provider) ?? CDN_PURGE_TOKEN,
    close: () => keyset.close(),
  }
}
