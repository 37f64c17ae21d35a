import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import { SharedCounts } from '#shared/redis/shared-counts.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import { FleetEmergency } from './emergency.ts'
import type { PassedOrder } from './emergency-order.ts'
import { EmergencySignals, type Load } from './signals.ts'

/** How often signals are handed on and looked at. */
const LOOK_INTERVAL_MS = 500
/** Of six kinds, for the buckets that are still alive: half of it is a few more than there can be. */
const KEYS_LIMIT = 400

/** The emergency, with what tells of it. */
export interface EmergencyParts {
  readonly emergency: FleetEmergency
  readonly signals: EmergencySignals
  /** Begins to look. @param load undefined for who takes no traffic */
  start(load: Load | undefined): void
  close(): Promise<void>
}

export interface EmergencyNeeds {
  readonly policies: { readonly active: CompiledPolicy }
  /** Living instances. */
  readonly fleet: { readonly size: number }
  /** For a process that takes no traffic: as {@link FleetEmergency} has it. */
  readonly passOn?: (order: PassedOrder) => void
}

/** Opens the emergency: what the fleet is in counts once this resolves. */
export const openEmergency = async (
  redis: RedisGuard | undefined,
  instance: Instance,
  { policies, fleet, passOn }: EmergencyNeeds,
  log: Logger,
): Promise<EmergencyParts> => {
  const counts = new SharedCounts(redis, instance.id, {
    name: 'emergency',
    flushIntervalMs: LOOK_INTERVAL_MS / 2,
    keysLimit: KEYS_LIMIT,
  })
  const signals = new EmergencySignals(counts, {
    get isHeard() {
      return redis !== undefined && !redis.isImpaired
    },
    get size() {
      return fleet.size
    },
  })
  const around = { policies, signals, ...(passOn !== undefined && { passOn }) }
  const emergency = new FleetEmergency(redis, instance.id, around, log)
  await emergency.open()
  let timer: NodeJS.Timeout | undefined
  return {
    emergency,
    signals,
    start(load) {
      timer = setInterval(() => {
        signals.take(load)
        void emergency.look()
      }, LOOK_INTERVAL_MS)
      timer.unref()
    },
    async close() {
      clearInterval(timer)
      await counts.close()
      await emergency.close()
    },
  }
}
