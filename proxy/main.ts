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
import { challengeMetrics } from './admin/challenge-metrics.ts'
import { circuitMetrics } from './admin/circuit-metrics.ts'
import { proxyMetrics } from './admin/metrics.ts'
import { type AdminPort, openAdmin } from './admin/open.ts'
import { sloMetrics } from './admin/slo-metrics.ts'
import { tidyAfterStart } from './after-start.ts'
import { buildProxy } from './build.ts'
import { openPurges } from './cdn/purge/open.ts'
import { type ProxySettings, proxySettings } from './settings.ts'
import { openAlerts } from './slo/alerts/open.ts'
import { openSlo } from './slo/open.ts'
import { openSharing } from './stale/sharing/open.ts'
import { openBlocking } from './state/blocks/open.ts'
import { openChallengeSecrets } from './state/challenge/open.ts'
import { openEmergency } from './state/emergency/open.ts'
import { busyMeter } from './state/emergency/signals.ts'
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
  const processes = {
    get size() {
      return Math.max(fleet.size, settings.WORKERS) // as buildProxy has it
    },
  }
  const emergencyParts = await openEmergency(redis, instance, { policies, fleet: processes }, log)
  const { emergency, signals: emergencySignals } = emergencyParts
  const blocking = await openBlocking(redis, instance, log)
  const { blocks, violations } = blocking
  const sloState = openSlo(redis, instance, log)
  const alerting = openAlerts(settings, instance.id, { redis, policies, slo: sloState.slo }, log)
  const challengeSecrets = await openChallengeSecrets(settings, log)
  const proxy = buildProxy(settings, instance, log, {
    ...{
      redis,
      policies,
      shadow,
      burn,
      slo: sloState.slo,
      emergency,
      emergencySignals,
      blocks,
      violations,
      fleet,
      challengeSecrets,
    },
  })
  const { health, traffic, upstream, server, limits, challenges, circuits, staleStore, appliedPurges } = proxy
  const purging = await openPurges(settings, instance.id, { redis, policies, applied: appliedPurges }, log)
  const { purges } = purging
  const sharing = await openSharing({ redis, policies, store: staleStore, applied: appliedPurges, purges }, log)
  const registry = proxyMetrics(instance, {
    traffic,
    inFlight: () => server.inFlight(),
    upstreamQueued: () => upstream.pool.queued,
    emergency,
    blocks,
    violations,
    stale: staleStore,
    sharing,
    purging,
  })
  redisMetrics(registry, redis)
  challengeMetrics(registry, challenges.counts)
  circuitMetrics(registry, circuits, upstream)
  sloMetrics(registry, sloState.slo)
  const status = () => ({
    startedAt,
    lifecycle: health.lifecycle,
    uptimeSeconds: Math.floor(process.uptime()),
    inFlight: server.inFlight(),
    upstream: upstream.pool,
    redis: redisStatus(redis),
    fleetSize: fleet.size,
    policy: { version: policies.active.version, refused: policies.refused, probation: watch.status() },
    emergency: emergency.status,
    circuits: circuits.reports(),
  })

  // Opened in this order, closed in the reverse: the admin port answers probes until the last exchange has ended.
  const shutdown = new Shutdown(settings, log)
  shutdown.onAnnounce(() => health.markDraining())
  shutdown.drains('traffic', server)
  shutdown.opened('redis', () => redis?.close())
  shutdown.opened('fleet', () => fleet.close())
  shutdown.opened('policy', () => policy.close())
  shutdown.opened('slo', () => sloState.close())
  shutdown.opened('slo alerts', () => alerting.close())
  shutdown.opened('blocks', () => blocking.close())
  shutdown.opened('emergency', () => emergencyParts.close())
  shutdown.opened('purges', () => purging.close())
  shutdown.opened('shared replies', () => sharing.close())
  shutdown.opened('limits', () => limits.close())
  shutdown.opened('challenges', () => {
    challenges.close()
    challengeSecrets.close()
  })
  let admin: AdminPort | undefined
  if (cluster.isWorker) {
    obeyPrimary(shutdown, health, registry, instance, status, (order) => void emergency.follow(order), circuits)
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
      emergency,
      blocking,
      purging,
      slo: sloState.slo,
      alerting,
      circuits: {
        list: () => circuits.reports().map((report) => ({ instance: instance.id, ...report })),
        order: (name, order, seconds) => (circuits.order(name, order, seconds) ? 1 : 0),
      },
    })
    shutdown.opened('admin listener', () => admin?.close())
  }
  health.onChange(() => log.info({ health: health.ready().body }, 'health changed'))
  health.start()
  shutdown.opened('health checks', () => health.stop())
  shutdown.opened('upstream connections', () => upstream.close())
  emergencyParts.start({
    busyShare: busyMeter(),
    queueShare: () => upstream.pool.queued / settings.UPSTREAM_QUEUE_LIMIT,
  })
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
