import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '#shared/log.ts'
import { migrate } from './migrate.ts'
import { isUnavailability } from './unavailable.ts'

const RETRY_MS = 500

/**
 * Migrates as soon as there is a primary to do it on: in a pod, nobody says that the database starts first.
 *
 * @throws the error of a migration that fails
 */
export const migrateWhenReachable = async (url: string, log: Logger): Promise<void> => {
  let isWaiting = false
  for (;;) {
    try {
      const applied = await migrate(url)
      log.info({ applied }, 'migrations are applied')
      return
    } catch (error) {
      if (!isUnavailability(error)) throw error
      if (!isWaiting) log.warn({ err: error }, 'the primary is not reached yet; migrations wait for it')
      isWaiting = true
      await delay(RETRY_MS)
    }
  }
}
