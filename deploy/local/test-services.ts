import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startPostgresCluster } from './postgres-cluster.ts'
import { CHROMIUM, CURL, ensureTools, REDIS } from './system-tools.ts'

declare module 'vitest' {
  /** What a test file reads with `inject`. */
  export interface ProvidedContext {
    /** Of the superuser on the primary; a test file makes a database of its own there. */
    primaryUrl: string
    /** The same on the standby, which streams from the primary. */
    replicaUrl: string
  }
}

/** Before all test files: the programs that npm does not bring, and one PostgreSQL cluster, on free ports and in a folder of its own. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  await ensureTools([CHROMIUM, CURL, REDIS], (line) => process.stderr.write(`${line}\n`))
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-test-'))
  // Where root runs the tests, PostgreSQL runs as another user, who has to pass through.
  await chmod(folder, 0o711)
  const removeFolder = () => rm(folder, { recursive: true, force: true })
  try {
    const cluster = await startPostgresCluster({ dataDir: join(folder, 'postgres'), durable: false })
    project.provide('primaryUrl', cluster.primaryUrl)
    project.provide('replicaUrl', cluster.replicaUrl)
    return async () => {
      await cluster.stop()
      await removeFolder()
    }
  } catch (error) {
    await removeFolder()
    throw error
  }
}
