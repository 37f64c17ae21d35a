import { randomBytes } from 'node:crypto'
import { access, chmod, chown, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresFolders } from './postgres-folders.ts'
import { type Account, runCommand } from './run-command.ts'

/** The superuser and the database of a local cluster. */
export const POSTGRES_NAME = 'sidegate'

/** Slot by which the primary keeps the WAL that a stopped standby has yet to read. */
export const REPLICATION_SLOT = 'replica'

/**
 * The data folder of a local cluster:
 *
 *     primary/  replica/   what the servers own
 *     pgpass               the password, in libpq's password file format; for the standby, for us, and for psql
 *     supervisor.pid       who started the servers last
 */
export class PostgresData {
  readonly #folders: PostgresFolders
  readonly #account: Account | undefined
  readonly primaryDir: string
  readonly replicaDir: string
  readonly passFile: string
  readonly #supervisorFile: string

  constructor(folders: PostgresFolders, account: Account | undefined) {
    this.#folders = folders
    this.#account = account
    this.primaryDir = join(folders.dataDir, 'primary')
    this.replicaDir = join(folders.dataDir, 'replica')
    this.passFile = join(folders.dataDir, 'pgpass')
    this.#supervisorFile = join(folders.dataDir, 'supervisor.pid')
  }

  async supervisorPid(): Promise<number | undefined> {
    const pid = Number(await contentOf(this.#supervisorFile))
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  }

  async claim(): Promise<void> {
    await writeFile(this.#supervisorFile, `${process.pid}\n`)
  }

  async wipe(): Promise<void> {
    for (const path of [this.primaryDir, this.replicaDir, this.passFile])
      await rm(path, { recursive: true, force: true })
  }

  /** @throws Error where the data are of another major version of PostgreSQL, which this one cannot read */
  async assertVersion(): Promise<void> {
    const dataVersion = (await contentOf(join(this.primaryDir, 'PG_VERSION')))?.trim()
    const programVersion = this.#folders.version.split('.')[0]
    if (dataVersion === undefined || dataVersion === programVersion) return
    throw new Error(
      `${this.primaryDir} was written by PostgreSQL ${dataVersion}, and this is PostgreSQL ${programVersion}: ` +
        'start over with --fresh (its data are lost), or move the folder away',
    )
  }

  async hasPrimary(): Promise<boolean> {
    return (await exists(join(this.primaryDir, 'PG_VERSION'))) && (await exists(this.passFile))
  }

  /** A standby that was promoted is one no more: its history has left the primary's. */
  async hasReplica(): Promise<boolean> {
    return exists(join(this.replicaDir, 'standby.signal'))
  }

  async password(): Promise<string> {
    return (await readFile(this.passFile, 'utf8')).trim().split(':').at(-1) ?? ''
  }

  /** `initdb`, with a password that is new and random: loopback is open to every user of the machine. */
  async createPrimary(durable: boolean): Promise<void> {
    await this.wipe()
    const password = randomBytes(18).toString('hex')
    await this.#writePrivate(this.passFile, `*:*:*:${POSTGRES_NAME}:${password}\n`)
    const passwordFile = join(this.#folders.dataDir, 'initdb-password')
    await this.#writePrivate(passwordFile, `${password}\n`)
    const partial = await this.#emptied(`${this.primaryDir}.partial`)
    await this.#run('initdb', [
      ...['-D', partial, '-U', POSTGRES_NAME, '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
      // The same order and case rules on every machine, whatever its libc.
      ...['--encoding', 'UTF8', '--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
      ...['--no-instructions', ...(durable ? [] : ['--no-sync'])],
    ])
    await rm(passwordFile)
    await this.#singleUser(partial, [`CREATE DATABASE ${POSTGRES_NAME}`])
    await rename(partial, this.primaryDir)
  }

  /** Copies the primary, which must be stopped, into a standby that follows it. */
  async createReplica(): Promise<void> {
    await this.#singleUser(this.primaryDir, [
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${REPLICATION_SLOT}'`,
      `SELECT pg_create_physical_replication_slot('${REPLICATION_SLOT}', true)`,
    ])
    const partial = await this.#emptied(`${this.replicaDir}.partial`)
    await runCommand('cp', ['-Rp', this.primaryDir, partial], { account: this.#account, cwd: '/' })
    // A copied slot would keep the standby's own WAL for ever.
    await rm(join(partial, 'pg_replslot', REPLICATION_SLOT), { recursive: true, force: true })
    await this.#writePrivate(join(partial, 'standby.signal'), '')
    await rm(this.replicaDir, { recursive: true, force: true })
    await rename(partial, this.replicaDir)
  }

  /** SQL without a server, so without a client: each line is a statement of its own. */
  async #singleUser(serverDir: string, statements: readonly string[]): Promise<void> {
    await this.#run('postgres', ['--single', '-D', serverDir, 'postgres'], `${statements.join(';\n')};\n`)
  }

  async #run(program: string, args: readonly string[], input = ''): Promise<void> {
    await runCommand(join(this.#folders.binDir, program), args, {
      account: this.#account,
      cwd: '/',
      input,
      environment: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    })
  }

  async #emptied(folder: string): Promise<string> {
    await rm(folder, { recursive: true, force: true })
    return folder
  }

  /** For the account alone: libpq takes no password from a file that others can read. */
  async #writePrivate(path: string, content: string): Promise<void> {
    await writeFile(path, content, { mode: 0o600 })
    await chmod(path, 0o600)
    if (this.#account !== undefined) await chown(path, this.#account.uid, this.#account.gid)
  }
}

const exists = async (path: string): Promise<boolean> => {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

const contentOf = async (path: string): Promise<string | undefined> =>
  (await exists(path)) ? readFile(path, 'utf8') : undefined
