import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import type { MigrationList, SchemaEngine, SchemasContainer } from '@prisma/schema-engine-wasm'
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'

/** What is used of it: TypeScript knows the whole only along with the browser's types. */
declare const WebAssembly: {
  instantiate(program: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>
}

/** Tables and enums that the engine is to leave alone: none. */
export const NO_FILTERS = { externalTables: [], externalEnums: [] }

const SCHEMA_FILE = join(import.meta.dirname, 'schema.prisma')
const MIGRATIONS_DIR = join(import.meta.dirname, 'migrations')
const LOCK_FILE = 'migration_lock.toml'

/** `schema.prisma`, as the engine takes it. */
export const readSchema = async (): Promise<SchemasContainer> => ({
  files: [{ path: SCHEMA_FILE, content: await readFile(SCHEMA_FILE, 'utf8') }],
})

/** The migrations of a folder, oldest first. */
export const readMigrations = async (folder: string = MIGRATIONS_DIR): Promise<MigrationList> => {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return {
    baseDir: folder,
    lockfile: { path: LOCK_FILE, content: await readFile(join(folder, LOCK_FILE), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.toSorted().map(async (name) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok' as const, value: await readFile(join(folder, name, 'migration.sql'), 'utf8') },
        },
      })),
    ),
  }
}

let isLoaded = false

/**
 * Loads the engine's program when it is first needed: five megabytes that a process which does not migrate can do
 * without. By hand, as importing a `.wasm` file is experimental in Node and says so on stderr at each start.
 */
const loadEngine = async (): Promise<typeof SchemaEngine> => {
  if (!isLoaded) {
    const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'))
    const program = await readFile(join(folder, 'schema_engine_bg.wasm'))
    const { instance } = await WebAssembly.instantiate(program, { './schema_engine_bg.js': { ...glue } })
    glue.__wbg_set_wasm(instance.exports)
    const { __wbindgen_start: start } = instance.exports
    if (typeof start !== 'function') throw new Error('the schema engine is not of the version that this code knows')
    start()
    isLoaded = true
  }
  return glue.SchemaEngine
}

export interface OpenSchemaEngine {
  readonly engine: SchemaEngine
  /** Ends its session, and with it the lock that the engine takes and does not give back. */
  close(): Promise<void>
}

/**
 * Opens Prisma's schema engine on a database: WebAssembly with the driver that the app has anyway, where Prisma's
 * command line would download a program of its own.
 *
 * It sends a migration statement by statement, cutting at each semicolon: a function's body cannot hold one.
 */
export const openSchemaEngine = async (url: string): Promise<OpenSchemaEngine> => {
  const Engine = await loadEngine()
  const { files } = await readSchema()
  // One connection: the engine's lock has to be held by the session that migrates.
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: 5_000,
    application_name: 'sidegate-migrate',
  })
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg(pool))
  try {
    const engine = await Engine.new(
      { datamodels: files.map(({ path, content }) => [path, content]) },
      () => undefined,
      adapter,
    )
    return {
      engine,
      close: async () => {
        engine.free()
        await pool.end()
      },
    }
  } catch (error) {
    await pool.end()
    throw error
  }
}
