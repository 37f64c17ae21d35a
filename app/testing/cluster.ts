import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PostgresCluster, startPostgresCluster } from '../../deploy/local/postgres-cluster.ts'

/** For tests that stop servers or replication, which the shared cluster's other users would not survive. */
export const startTestCluster = async (): Promise<PostgresCluster> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-app-test-'))
  await chmod(folder, 0o711)
  const cluster = await startPostgresCluster({ dataDir: join(folder, 'postgres'), durable: false })
  return {
    ...cluster,
    stop: async () => {
      await cluster.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
