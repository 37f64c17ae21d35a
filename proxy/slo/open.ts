import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { FleetHistory } from './fleet-history.ts'
import { Slo } from './slo.ts'

export interface SloState {
  readonly slo: Slo
  close(): Promise<void>
}

/** Counts from now on; what the fleet has counted before is known a moment later, if Redis is there. */
export const openSlo = (redis: RedisGuard | undefined, instance: Instance, log: Logger): SloState => {
  const history = new FleetHistory(redis, instance.id, log)
  void history.flush(true)
  return { slo: new Slo(history), close: () => history.close() }
}
