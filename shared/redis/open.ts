import type { Instance } from '../instance.ts'
import type { Logger } from '../log.ts'
import type { RedisGuard } from '../redis.ts'
import { type RedisSettings, redisTarget } from './settings.ts'

/** So long does a start wait for it: what the fleet has agreed on is to be known before the first request. */
const FIRST_ANSWER_MS = 500

/** Redis as it is configured; undefined for memory mode, which does without the client's code, too. */
export const openRedis = async (
  settings: RedisSettings,
  instance: Instance,
  log: Logger,
): Promise<RedisGuard | undefined> => {
  const target = redisTarget(settings)
  if (target === undefined) {
    log.warn('no Redis is configured (REDIS_URL): memory mode, in which instances share nothing')
    return undefined
  }
  const { RedisGuard } = await import('../redis.ts')
  const redis = new RedisGuard(
    target,
    {
      timeoutMs: settings.REDIS_TIMEOUT_MS,
      keyPrefix: `sidegate:${settings.SIDEGATE_SERVICE}:`,
      name: instance.id,
    },
    log,
  )
  await redis.firstAnswer(FIRST_ANSWER_MS)
  return redis
}
