import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import { SharedCounts } from '#shared/redis/shared-counts.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { BurnSignal } from '../../slo/burn-signal.ts'
import { initialPolicy } from './policy-file.ts'
import { PolicyShadow } from './policy-shadow.ts'
import { PolicyStore } from './policy-store.ts'
import { ProbationWatch } from './probation-watch.ts'

/** The policy, with what is held against it and what watches it. */
export interface PolicyState {
  readonly policies: PolicyStore
  readonly shadow: PolicyShadow
  readonly burn: BurnSignal
  readonly watch: ProbationWatch
  close(): Promise<void>
}

/** For each version of two hours, and each minute: far more than there are. */
const BURN_KEYS_LIMIT = 10_000

/**
 * Opens the policy: what the fleet has agreed on is in force once this resolves.
 *
 * @param file the policy to begin with; undefined for all defaults
 * @throws ConfigurationError that names all that is wrong with the file
 */
export const openPolicy = async (
  file: string | undefined,
  redis: RedisGuard | undefined,
  instance: Instance,
  log: Logger,
): Promise<PolicyState> => {
  const policies = new PolicyStore(await initialPolicy(file), redis, log)
  const shadow = new PolicyShadow(redis, instance.id, log)
  const counts = new SharedCounts(redis, instance.id, {
    name: 'burn',
    flushIntervalMs: 1_000,
    keysLimit: BURN_KEYS_LIMIT,
  })
  const burn = new BurnSignal(counts)
  await Promise.all([policies.open(), shadow.open()])
  const watch = new ProbationWatch(policies, burn, log)
  return {
    ...{ policies, shadow, burn, watch },
    async close() {
      await watch.close()
      burn.close()
      await counts.close()
      await shadow.close()
      policies.close()
    },
  }
}
