import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { CompiledPolicy } from '../../state/policy/compile.ts'
import type { AppliedPurges } from '../applied-purges.ts'
import type { StaleStore } from '../stale-store.ts'
import type { FleetPurges, SharedReplies } from './shared-replies.ts'

const WORK_INTERVAL_MS = 250
/** So long a start waits for what others have kept. */
const FIRST_LOAD_MS = 2_000

export interface Sharing {
  /** Addresses, since the start. */
  readonly counts: { readonly shared: number; readonly loaded: number }
  close(): Promise<void>
}

interface SharingParts {
  readonly redis: RedisGuard | undefined
  readonly store: StaleStore
  readonly applied: AppliedPurges
  readonly purges: FleetPurges
  readonly policies: { readonly active: CompiledPolicy }
}

/** Shares kept replies for as long as the policy says so; what does it is loaded then. Resolves once those of others are here, or cannot be for now. */
export const openSharing = async (parts: SharingParts, log: Logger): Promise<Sharing> => {
  const { redis, policies } = parts
  let replies: SharedReplies | undefined
  let isWarned = false
  let counts = { shared: 0, loaded: 0 }
  const work = async (): Promise<void> => {
    const isWanted = policies.active.policy.stale.sharedBytes > 0
    if (redis === undefined) {
      if (isWanted && !isWarned) log.warn('stale.sharedBytes shares nothing: there is no redis')
      isWarned = isWanted
      return
    }
    if (!isWanted) {
      await replies?.end()
      replies = undefined
      return
    }
    replies ??= new (await import('./shared-replies.ts')).SharedReplies(redis, parts, log)
    counts = replies.counts
    await replies.work()
  }
  let working: Promise<void> | undefined
  const workOn = (): Promise<void> => {
    working ??= work()
      .catch((error: unknown) => log.error({ err: error }, 'kept replies could not be shared'))
      .finally(() => {
        working = undefined
      })
    return working
  }
  await Promise.race([workOn(), delay(FIRST_LOAD_MS, undefined, { ref: false })])
  const timer = setInterval(() => void workOn(), WORK_INTERVAL_MS)
  timer.unref()
  return {
    get counts() {
      return counts
    },
    async close() {
      clearInterval(timer)
      await working
      await workOn() // what has come last
    },
  }
}
