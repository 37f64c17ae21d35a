/**
 * The proxy process: configuration → build → listen → drain, top to bottom. With `WORKERS` above one, the primary
 * process runs `workers.ts` instead and each worker runs this.
 */
import './interpreted-schemas.ts'
import cluster from 'node:cluster'
import { ConfigurationError, exitBadConfiguration, orExit } from '#shared/environment.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import { Fleet } from '#shared/redis/fleet.ts'
import { openRedis } from '#shared/redis/open.ts'
import { redisMetrics, redisStatus } from '#shared/redis/report.ts'
import { Shutdown } from '#shared/shutdown.ts'
import { version } from '#shared/version.ts'
import { proxyMetrics } from './admin/metrics.ts'
import { type AdminPort, openAdmin } from './admin/open.ts'
import { tidyAfterStart } from './after-start.ts'
import { buildProxy } from './build.ts'
import { type ProxySettings, proxySettings } from './settings.ts'
import { BlockStore } from './state/blocks/block-store.ts'
import { openPolicy } from './state/policy/open.ts'
import { obeyPrimary } from './worker.ts'
import { runWorkers } from './workers.ts'

const run = async (settings: ProxySettings): Promise<void> => {
  const instance = instanceIdentity('proxy', version, settings.SIDEGATE_INSTANCE_ID, cluster.worker?.id)
  const log = createLogger(settings, instance)
  const startedAt = new Date().toISOString()

  const redis = await openRedis(settings, instance, log)
  const fleet = new Fleet(redis, 'proxy', instance.id)
  const policy = await openPolicy(settings.POLICY_FILE, redis, instance, log)
  const { policies, shadow, burn, watch } = policy
  const blocks = new BlockStore(redis, log)
  await blocks.open()
  const shared = { redis, policies, shadow, burn, emergency: { state: 'calm' as const }, fleet }
  const { health, traffic, upstream, server } = buildProxy(settings, instance, log, shared)
  const registry = proxyMetrics(instance, {
    traffic,
    inFlight: () => server.inFlight(),
    upstreamQueued: () => upstream.pool.queued,
  })
  redisMetrics(registry, redis)
  const status = () => ({
    startedAt,
    lifecycle: health.lifecycle,
    uptimeSeconds: Math.floor(process.uptime()),
    inFlight: server.inFlight(),
    upstream: upstream.pool,
    redis: redisStatus(redis),
    fleetSize: fleet.size,
    policy: { version: policies.active.version, refused: policies.refused, probation: watch.status() },
  })

  // Opened in this order, closed in the reverse: the admin port answers probes until the last exchange has ended.
  const shutdown = new Shutdown(settings, log)
  shutdown.onAnnounce(() => health.markDraining())
  shutdown.drains('traffic', server)
  shutdown.opened('redis', () => redis?.close())
  shutdown.opened('fleet', () => fleet.close())
  shutdown.opened('policy', () => policy.close())
  shutdown.opened('blocks', () => blocks.close())
  let admin: AdminPort | undefined
  if (cluster.isWorker) {
    obeyPrimary(shutdown, health, registry, instance, status)
  } else {
    shutdown.listenToSignals()
    admin = await openAdmin(settings, {
      instance,
      log,
      health,
      drainable: shutdown,
      metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
      status,
      policy,
      blocks,
      violations: undefined,
      emergency: shared.emergency,
    })
    shutdown.opened('admin listener', () => admin?.close())
  }
  health.onChange(() => log.info({ health: health.ready().body }, 'health changed'))
  health.start()
  shutdown.opened('health checks', () => health.stop())
  shutdown.opened('upstream connections', () => upstream.close())
  tidyAfterStart()
  await server.port.open(settings.HOST, settings.PORT)
  shutdown.opened('traffic listener', () => server.close())
  health.markServing()
  log.info(
    {
      traffic: server.port.address,
      admin: admin?.address,
      upstream: settings.UPSTREAM_URL.socketPath ?? settings.UPSTREAM_URL.origin,
      pid: process.pid,
    },
    'proxy listens',
  )
}

const settings = orExit(() => proxySettings(process.env))
try {
  await (settings.WORKERS > 1 && cluster.isPrimary ? runWorkers(settings) : run(settings))
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error
  exitBadConfiguration(error)
}
