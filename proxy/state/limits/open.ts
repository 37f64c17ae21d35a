import type { Clock } from '#shared/clock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { RateLimiting } from '../../layers/rate-limit.ts'
import { ExactLimits } from './exact-limits.ts'
import { FleetLimits } from './fleet-limits.ts'
import { LimitStates } from './limit-states.ts'

/** What the layer of the limits is given. */
export interface OpenLimits extends RateLimiting {
  /** The same for a candidate in shadow: it knows what has been used, and what it counts itself is told to nobody. */
  beside(): RateLimiting
  /** Tells and hears at once, and not only when it is time. */
  flush(): Promise<void>
  /** Tells Redis what is untold yet. */
  close(): Promise<void>
}

/**
 * Limits that are kept for the whole fleet where there is Redis; else each instance grants its share.
 *
 * @param fleet living instances, as known last
 */
export const openLimits = (
  redis: RedisGuard | undefined,
  fleet: { readonly size: number },
  clock: Clock,
): OpenLimits => {
  const merged = redis === undefined ? undefined : new FleetLimits(redis, fleet, clock)
  const states = merged?.states ?? new LimitStates()
  return {
    states,
    exact: redis === undefined || merged === undefined ? undefined : new ExactLimits(redis, merged, clock),
    ...{ fleet, clock },
    beside: () => ({ states: states.beside(), exact: undefined, fleet, clock }),
    flush: async () => merged?.flush(),
    close: async () => merged?.close(),
  }
}
