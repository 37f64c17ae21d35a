import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { z } from 'zod'
import { loadEnvironment, orExit } from '#shared/environment.ts'
import { postgresUrl } from '../settings.ts'
import { NO_FILTERS, openSchemaEngine, readMigrations } from './schema-engine.ts'

/** Of the advisory lock under which migrations are applied: any number that nothing else in the database uses. */
const LOCK_KEY = 7_314_260_911
const LOCK_POLL_MS = 200

/**
 * Applies the migrations that the database has not seen, and gives their names. Any number of processes may call it at
 * once: one applies, the others wait and then find nothing to do.
 *
 * The URL must lead to the primary itself. Behind a pooler that hands out sessions by transaction the lock holds
 * nothing.
 *
 * @param signal gives up waiting for another process's migrations; one's own are not broken off
 */
export const migrate = async (url: string, signal?: AbortSignal, folder?: string): Promise<string[]> => {
  const lock = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: 'sidegate-migrate-lock',
  })
  let lockLost: Error | undefined
  lock.on('error', (error) => {
    lockLost = error
  })
  await lock.connect()
  try {
    await acquire(lock, signal)
    const { engine, close } = await openSchemaEngine(url)
    try {
      const { appliedMigrationNames } = await engine.applyMigrations({
        migrationsList: await readMigrations(folder),
        filters: NO_FILTERS,
      })
      if (lockLost !== undefined) throw new Error('the lock was lost while migrating', { cause: lockLost })
      return appliedMigrationNames
    } finally {
      await close()
    }
  } finally {
    await lock.end()
  }
}

/** By polling: a session that waits inside `pg_advisory_lock` holds a snapshot, for which `create index concurrently` waits. */
const acquire = async (client: pg.Client, signal: AbortSignal | undefined): Promise<void> => {
  for (;;) {
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [LOCK_KEY])
    if (rows[0]?.held === true) return
    await delay(LOCK_POLL_MS, undefined, { signal })
  }
}

if (import.meta.main) {
  const { DATABASE_URL } = orExit(() => loadEnvironment(z.object({ DATABASE_URL: postgresUrl() }), process.env))
  const applied = await migrate(DATABASE_URL)
  process.stdout.write(applied.length === 0 ? 'There is nothing to migrate.\n' : `Applied: ${applied.join(', ')}\n`)
  // The engine leaves a timer behind that would hold the process for ten seconds.
  process.exit(0)
}
