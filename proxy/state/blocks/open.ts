import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { Violations } from '../violations/violations.ts'
import { BlockStore } from './block-store.ts'

/** The blocks, with the ladder that makes them. */
export interface BlockingState {
  readonly blocks: BlockStore
  readonly violations: Violations
  close(): Promise<void>
}

/** Opens the blocks: those that the fleet has are enforced once this resolves. */
export const openBlocking = async (
  redis: RedisGuard | undefined,
  instance: Instance,
  log: Logger,
): Promise<BlockingState> => {
  const blocks = new BlockStore(redis, log)
  const violations = new Violations(redis, instance.id, blocks, log)
  await blocks.open()
  return {
    ...{ blocks, violations },
    async close() {
      await violations.close()
      blocks.close()
    },
  }
}
