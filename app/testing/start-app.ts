import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { DependencyCheck } from '#shared/health.ts'
import { Health } from '#shared/health.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import { Database } from '../db/database.ts'
import { listenOn } from '../listen.ts'
import { createMetrics } from '../metrics.ts'
import { buildServer } from '../server.ts'

/** For tests: the app in this process, listening on a free port. */
export interface TestApp {
  readonly url: string
  readonly database: Database
  readonly health: Health
  /** What it has logged so far, a line each. */
  readonly logged: readonly Readonly<Record<string, unknown>>[]
  /** Resolves once a dependency has the status. */
  dependency(name: string, status: 'up' | 'down'): Promise<void>
  close(): Promise<void>
}

export interface TestAppOptions {
  readonly primaryUrl: string
  readonly replicaUrls?: readonly string[]
  readonly poolSize?: number
  readonly statementTimeoutMs?: number
  /** Quicker than in production, so that a test need not wait for the next probe. */
  readonly probeIntervalMs?: number
  /** What every dependency is waited for to be; `up` unless given. */
  readonly expected?: 'up' | 'down'
}

export const startApp = async (options: TestAppOptions): Promise<TestApp> => {
  const { replicaUrls = [], poolSize = 5, statementTimeoutMs = 5_000, probeIntervalMs = 25, expected = 'up' } = options
  const logged: Record<string, unknown>[] = []
  const destination = new PassThrough()
  destination.on('data', (line: Buffer) => logged.push(JSON.parse(line.toString())))
  const instance = instanceIdentity('app', '0.0.0-test')
  const log = createLogger({ LOG_LEVEL: 'debug', LOG_FORMAT: 'json' }, instance, destination)
  const metrics = createMetrics(instance)
  const database = new Database(
    {
      primaryUrl: options.primaryUrl,
      replicaUrls,
      poolSize,
      statementTimeoutMs,
      connectionTimeoutMs: 1_000,
      lagLimitMs: 60_000,
      lagLimitBytes: 64 * 1_024 * 1_024,
      applicationName: instance.id,
    },
    log,
    metrics.onDatabaseCall,
  )
  const checks = database.checks().map((check): DependencyCheck => ({ ...check, intervalMs: probeIntervalMs }))
  const health = new Health(instance, checks)
  const changes = new PassThrough({ objectMode: true }).resume()
  health.onChange(() => changes.write({}))
  const app = await buildServer({ log, version: instance.version, database, health, metrics })
  const dependency = async (name: string, status: string) => {
    while (statusOf(health, name) !== status) await once(changes, 'data')
  }
  health.start()
  const url = await listenOn(app.server, { host: '127.0.0.1', port: 0 })
  health.markServing()
  for (const { name } of checks) await dependency(name, expected)
  return {
    url,
    database,
    health,
    logged,
    dependency,
    close: async () => {
      app.server.closeAllConnections()
      await app.close()
      health.stop()
      await database.close()
    },
  }
}

const statusOf = (health: Health, name: string): unknown => {
  const { dependencies } = health.report().body
  if (!Array.isArray(dependencies)) throw new Error('health reports no dependencies')
  return (dependencies as { name: string; status: string }[]).find((dependency) => dependency.name === name)?.status
}
