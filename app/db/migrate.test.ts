import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, inject, test } from 'vitest'
import { createTestDatabase, runOn, type TestDatabase } from '../testing/database.ts'
import { migrate } from './migrate.ts'
import { NO_FILTERS, openSchemaEngine, readSchema } from './schema-engine.ts'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
})

const emptyDatabase = async (): Promise<TestDatabase> => {
  const database = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'), 'none')
  cleanUps.push(() => database.drop())
  return database
}

/** A copy of the migrations, with one more. */
const withMigration = async (sql: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-migrations-'))
  cleanUps.push(() => rm(folder, { recursive: true }))
  await cp(join(import.meta.dirname, 'migrations'), folder, { recursive: true })
  await mkdir(join(folder, '29990101000000_one_more'))
  await writeFile(join(folder, '29990101000000_one_more', 'migration.sql'), sql)
  return folder
}

/** Columns, indexes and enum values, as PostgreSQL itself describes them. */
const shapeOf = async (url: string) => ({
  columns: await runOn(
    url,
    `select table_name, column_name, udt_name, character_maximum_length, datetime_precision, is_nullable, column_default
     from information_schema.columns where table_schema = 'public' and table_name <> '_prisma_migrations' order by 1, 2`,
  ),
  indexes: await runOn(
    url,
    `select indexdef from pg_indexes where schemaname = 'public' and tablename <> '_prisma_migrations' order by 1`,
  ),
  enums: await runOn(
    url,
    `select typname, enumlabel from pg_enum join pg_type on enumtypid = pg_type.oid order by typname, enumsortorder`,
  ),
})

test('processes that start at once migrate once', async () => {
  const { primaryUrl } = await emptyDatabase()
  const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(primaryUrl)))
  expect(applied.filter((names) => names.length > 0)).toHaveLength(1)
  const rows = await runOn(primaryUrl, 'select finished_at from _prisma_migrations')
  expect(rows).toHaveLength(applied.flat().length)
})

test('a database that is up to date is left as it is', async () => {
  const { primaryUrl } = await emptyDatabase()
  await migrate(primaryUrl)
  const before = await runOn(primaryUrl, 'select id, finished_at from _prisma_migrations')
  expect(await migrate(primaryUrl)).toEqual([])
  expect(await runOn(primaryUrl, 'select id, finished_at from _prisma_migrations')).toEqual(before)
})

test('no session stays behind, as one would keep the lock', async () => {
  const { primaryUrl } = await emptyDatabase()
  await migrate(primaryUrl)
  const sessions = await runOn(
    primaryUrl,
    'select application_name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  )
  expect(sessions).toEqual([])
})

test('the migrations make just what schema.prisma describes; a change of it needs a migration of its own', async () => {
  const [migrated, described] = [await emptyDatabase(), await emptyDatabase()]
  await migrate(migrated.primaryUrl)
  const { engine, close } = await openSchemaEngine(described.primaryUrl)
  const script = await engine.diff({
    from: { tag: 'empty' },
    to: { tag: 'schemaDatamodel', ...(await readSchema()) },
    script: true,
    exitCode: null,
    filters: NO_FILTERS,
  })
  await close()
  await runOn(described.primaryUrl, script.stdout ?? '')
  expect(await shapeOf(migrated.primaryUrl)).toEqual(await shapeOf(described.primaryUrl))
})

test('a migration that fails is an error, and the ones before it stay applied', async () => {
  const { primaryUrl } = await emptyDatabase()
  const folder = await withMigration('alter table no_such_table add column a int')
  await expect(migrate(primaryUrl, undefined, folder)).rejects.toThrow(/29990101000000_one_more/)
  expect(await runOn(primaryUrl, 'select count(*) from listings')).toEqual([{ count: '0' }])
})

test('a migration that came later is applied to a database with data', async () => {
  const { primaryUrl } = await emptyDatabase()
  await migrate(primaryUrl)
  const folder = await withMigration('alter table listings add column views integer not null default 0')
  expect(await migrate(primaryUrl, undefined, folder)).toEqual(['29990101000000_one_more'])
})
