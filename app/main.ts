import { ConfigurationError, exitBadConfiguration, orExit } from '#shared/environment.ts'
import { Health } from '#shared/health.ts'
import { HttpDrain } from '#shared/http-drain.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import { openRedis } from '#shared/redis/open.ts'
import { redisCheck, redisMetrics } from '#shared/redis/report.ts'
import { Shutdown } from '#shared/shutdown.ts'
import { version } from '#shared/version.ts'
import { Database } from './db/database.ts'
import { migrateWhenReachable } from './db/migrate-when-reachable.ts'
import { listenOn } from './listen.ts'
import { createMetrics } from './metrics.ts'
import { buildServer } from './server.ts'
import { databaseSettings, listenTarget, loadAppSettings } from './settings.ts'

const settings = orExit(() => loadAppSettings(process.env))

const instance = instanceIdentity('app', version, settings.SIDEGATE_INSTANCE_ID)
const log = createLogger(settings, instance)
const shutdown = new Shutdown(settings, log)
shutdown.listenToSignals()

const redis = await openRedis(settings, instance, log)
shutdown.opened('redis', () => redis?.close())

const metrics = createMetrics(instance)
redisMetrics(metrics.registry, redis)
const database = new Database(databaseSettings(settings, instance), log, metrics.onDatabaseCall)
shutdown.opened('database', () => database.close())

const health = new Health(instance, [...database.checks(), ...(redis === undefined ? [] : [redisCheck(redis)])])
health.onChange(() => log.info({ health: health.ready().body }, 'health changed'))
health.start()
shutdown.opened('health', () => health.stop())
shutdown.onAnnounce(() => health.markDraining())

const app = await buildServer({ log, version: instance.version, database, health, metrics })
shutdown.opened('http', () => app.close())
shutdown.drains('http', new HttpDrain(app.server))

// Listening comes before migrating: a probe for liveness must not end a process that waits for a long migration.
try {
  const address = await listenOn(app.server, listenTarget(settings))
  log.info({ address, version: instance.version }, 'listening')
  if (settings.MIGRATE_ON_START === 'true') await migrateWhenReachable(settings.DATABASE_URL, log)
  health.markServing()
  log.info('serving')
} catch (error) {
  if (error instanceof ConfigurationError) exitBadConfiguration(error)
  log.fatal({ err: error }, 'could not start')
  process.exit(1)
}
