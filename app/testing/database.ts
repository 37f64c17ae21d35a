import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { migrate } from '../db/migrate.ts'
import { parseWalPosition } from '../db/wal-position.ts'

const POLL_MS = 20

/** For tests: a database of one's own on a cluster that is shared. */
export interface TestDatabase {
  readonly primaryUrl: string
  readonly replicaUrl: string
  /** Resolves once the replica has everything that the primary has by now. */
  replicated(): Promise<void>
  drop(): Promise<void>
}

/**
 * @param primaryUrl of the superuser, as `inject('primaryUrl')` gives it
 * @param replicaUrl the same on the streaming standby
 * @param tables     `none` leaves the database empty
 */
export const createTestDatabase = async (
  primaryUrl: string,
  replicaUrl: string,
  tables: 'migrated' | 'none' = 'migrated',
): Promise<TestDatabase> => {
  const name = `test_${randomBytes(6).toString('hex')}`
  await runOn(primaryUrl, `create database ${name}`)
  const replicated = async () => {
    const [position] = await runOn(primaryUrl, 'select pg_current_wal_flush_lsn()::text as position')
    while (!(await hasReplayed(replicaUrl, position?.position))) await delay(POLL_MS)
  }
  const own = urlOf(primaryUrl, name)
  if (tables === 'migrated') await migrate(own)
  await replicated()
  return {
    primaryUrl: own,
    replicaUrl: urlOf(replicaUrl, name),
    replicated,
    drop: async () => {
      await runOn(primaryUrl, `drop database ${name} with (force)`)
    },
  }
}

/** The rows of one statement, run on a connection of its own. */
export const runOn = async (url: string, statement: string): Promise<Record<string, string>[]> => {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Record<string, string>>(statement)).rows
  } finally {
    await client.end()
  }
}

const hasReplayed = async (replicaUrl: string, position = '0/0'): Promise<boolean> => {
  const [row] = await runOn(replicaUrl, 'select pg_last_wal_replay_lsn()::text as replayed')
  return parseWalPosition(row?.replayed ?? '0/0') >= parseWalPosition(position)
}

const urlOf = (url: string, database: string): string => {
  const own = new URL(url)
  own.pathname = `/${database}`
  return own.href
}
