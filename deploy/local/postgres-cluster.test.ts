import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type PostgresCluster, type PostgresClusterOptions, startPostgresCluster } from './postgres-cluster.ts'

const WAIT = { timeout: 15_000, interval: 50 }

const query = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // ESRCH is the only error that a test's own process can meet here
  }
}

/** A log that keeps what is said at level info and above. */
const listeningLog = () => {
  const lines: string[] = []
  const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line), debug: () => 0 }
  return { lines, log }
}

let folder: string
let cluster: PostgresCluster | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sidegate-cluster-'))
  // Where root runs the tests, PostgreSQL runs as another user, who has to pass through.
  await chmod(folder, 0o711)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})
afterEach(async () => {
  await cluster?.stop()
  cluster = undefined
})

const start = async (options: Partial<PostgresClusterOptions> = {}): Promise<PostgresCluster> => {
  cluster = await startPostgresCluster({ dataDir: join(folder, 'data'), durable: false, ...options })
  return cluster
}

const makeNotes = 'CREATE TABLE notes (note text)'
const writeNote = (note: string) => `INSERT INTO notes VALUES ('${note}')`
const notesOf = async (url: string) => (await query(url, 'SELECT note FROM notes')).map((row) => row.note)
const replicaHas = async ({ replicaUrl }: PostgresCluster, notes: string[]) =>
  vi.waitFor(async () => expect(await notesOf(replicaUrl)).toEqual(notes), WAIT)

/** The tests tell one story of one data folder, so that `initdb` runs once. */
describe('a local PostgreSQL cluster', () => {
  test('is a primary, and a standby that streams from it and refuses writes', async () => {
    const { primaryUrl, replicaUrl, version } = await start()
    expect(version).toMatch(/^18\./)
    expect(await query(primaryUrl, 'SELECT state FROM pg_stat_replication')).toEqual([{ state: 'streaming' }])
    expect(await query(replicaUrl, 'SELECT pg_is_in_recovery() AS standby')).toEqual([{ standby: true }])
    await query(primaryUrl, makeNotes)
    await query(primaryUrl, writeNote('first'))
    await replicaHas({ primaryUrl, replicaUrl } as PostgresCluster, ['first'])
    await expect(query(replicaUrl, writeNote('refused'))).rejects.toThrow(/read-only transaction/)
  })

  test('asks for its password, even on loopback', async () => {
    const { primaryUrl } = await start()
    const withoutPassword = new URL(primaryUrl)
    withoutPassword.password = 'guessed'
    await expect(query(withoutPassword.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/)
  })

  test('keeps its data between runs, on other ports too', async () => {
    expect(await notesOf((await start()).primaryUrl)).toEqual(['first'])
  })

  test('recovers from a crash of both servers while they are used', async () => {
    const running = await start()
    await query(running.primaryUrl, writeNote('before the crash'))
    await Promise.all([running.primary.kill(), running.replica.kill()])
    await running.primary.start()
    await running.replica.start()
    await query(running.primaryUrl, writeNote('after the crash'))
    await replicaHas(running, ['first', 'before the crash', 'after the crash'])
  })

  test('lets a standby that was stopped catch up', async () => {
    const running = await start()
    await running.replica.stop()
    expect(running.replica.pid).toBeUndefined()
    await query(running.primaryUrl, 'DELETE FROM notes')
    await query(running.primaryUrl, writeNote('missed'))
    await running.replica.start()
    await replicaHas(running, ['missed'])
  })

  test('tells of a server that ends by itself, and of no other end', async () => {
    const running = await start()
    const ends: string[] = []
    const ended = Promise.withResolvers<void>()
    running.replica.onUnexpectedEnd((outcome) => {
      ends.push(outcome)
      ended.resolve()
    })
    await running.replica.stop()
    await running.replica.start()
    process.kill(running.replica.pid as number, 'SIGKILL')
    await ended.promise
    expect(ends).toEqual(['signal SIGKILL'])
  })

  test('stops a standby that is frozen', async () => {
    const running = await start()
    process.kill(running.replica.pid as number, 'SIGSTOP')
    await running.stop()
    expect(running.replica.pid).toBeUndefined()
  })

  test('makes anew a standby that was promoted', async () => {
    const running = await start()
    await query(running.replicaUrl, 'SELECT pg_promote()')
    await running.stop()
    const { replicaUrl } = await start()
    expect(await query(replicaUrl, 'SELECT pg_is_in_recovery() AS standby')).toEqual([{ standby: true }])
  })

  test('makes anew a standby that cannot follow, and says so', async () => {
    const running = await start()
    await running.replica.stop()
    await query(running.primaryUrl, "SELECT pg_drop_replication_slot('replica')")
    await running.stop()
    const { lines, log } = listeningLog()
    await replicaHas(await start({ log }), ['missed'])
    expect(lines.join('\n')).toMatch(/the standby cannot follow the primary, and is made anew/)
  })

  test('refuses a data folder that another run uses', async () => {
    await start()
    await expect(startPostgresCluster({ dataDir: join(folder, 'data') })).rejects.toThrow(/in use by another run/)
  })

  test('stops the servers that a run has left behind which is no more', async () => {
    const left = await start()
    const pids = [left.primary.pid, left.replica.pid]
    // Not their parent: such a run has ended, and they would be its orphans.
    await writeFile(join(folder, 'data', 'supervisor.pid'), '1\n')
    const { lines, log } = listeningLog()
    await replicaHas(await start({ log }), ['missed'])
    expect(pids.map((pid) => lines.some((line) => line.includes(`(process ${pid})`)))).toEqual([true, true])
    expect([left.primary.pid, left.replica.pid]).toEqual([undefined, undefined])
  })

  test('removes a stale lock file that names a process of another kind', async () => {
    await writeFile(join(folder, 'data', 'primary', 'postmaster.pid'), `${process.pid}\n`)
    expect(await notesOf((await start()).primaryUrl)).toEqual(['missed'])
  })

  test('ends with the process that started it, even by SIGKILL, and the next run finds its data', async () => {
    const script = fileURLToPath(new URL('./postgres-cluster.ts', import.meta.url))
    const source = `
      const { startPostgresCluster } = await import(${JSON.stringify(script)})
      const { primary, replica } = await startPostgresCluster({ dataDir: ${JSON.stringify(join(folder, 'data'))} })
      console.log(JSON.stringify([primary.pid, replica.pid]))
      setInterval(() => undefined, 1000)`
    const supervisor = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void supervisor.kill('SIGKILL'))
    const [output] = (await once(supervisor.stdout, 'data')) as [Buffer]
    const pids = JSON.parse(output.toString()) as number[]
    expect(pids.map(isAlive)).toEqual([true, true])
    supervisor.kill('SIGKILL')
    await vi.waitFor(() => expect(pids.map(isAlive)).toEqual([false, false]), WAIT)
    expect(await notesOf((await start()).primaryUrl)).toEqual(['missed'])
  })

  test('refuses data of another major version, and names the way out', async () => {
    const dataDir = join(folder, 'older')
    await mkdir(join(dataDir, 'primary'), { recursive: true })
    await writeFile(join(dataDir, 'primary', 'PG_VERSION'), '17\n')
    await expect(startPostgresCluster({ dataDir })).rejects.toThrow(/written by PostgreSQL 17.* --fresh/)
  })

  test('starts over when asked to', async () => {
    const { primaryUrl, passFile } = await start({ fresh: true })
    await expect(notesOf(primaryUrl)).rejects.toThrow(/relation "notes" does not exist/)
    expect(await readFile(passFile, 'utf8')).toContain(new URL(primaryUrl).password)
  })

  test('leaves nothing running when it cannot start', async () => {
    const running = await start()
    const taken = Number(new URL(running.primaryUrl).port)
    const dataDir = join(folder, 'second')
    await expect(startPostgresCluster({ dataDir, durable: false, replicaPort: taken })).rejects.toThrow(/in use/)
    await expect(access(join(dataDir, 'primary', 'postmaster.pid'))).rejects.toThrow(/ENOENT/)
  })
})
