/**
 * The proxy process: configuration → build → listen → drain, top to bottom. With `WORKERS` above one, the primary
 * process runs `workers.ts` instead and each worker runs this.
 */
import cluster from 'node:cluster'
import { ConfigurationError, exitBadConfiguration, orExit } from '#shared/environment.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { listen } from '#shared/listen.ts'
import { createLogger } from '#shared/log.ts'
import { Shutdown } from '#shared/shutdown.ts'
import { version } from '#shared/version.ts'
import { proxyMetrics } from './admin/metrics.ts'
import { adminServer } from './admin/server.ts'
import { buildProxy } from './build.ts'
import { type ProxySettings, proxySettings } from './settings.ts'
import { obeyPrimary } from './worker.ts'
import { runWorkers } from './workers.ts'

const run = async (settings: ProxySettings): Promise<void> => {
  const isWorker = cluster.isWorker
  const instance = instanceIdentity('proxy', version, settings.SIDEGATE_INSTANCE_ID, cluster.worker?.id)
  const log = createLogger(settings, instance)
  const startedAt = new Date().toISOString()

  const { health, traffic, upstream, server } = buildProxy(settings, instance, log)
  const registry = proxyMetrics(instance, {
    traffic,
    inFlight: () => server.drain.inFlight(),
    upstreamQueued: () => upstream.queued,
  })
  const status = () => ({ startedAt, lifecycle: health.lifecycle, inFlight: server.drain.inFlight() })

  const shutdown = new Shutdown(settings, log)
  shutdown.onAnnounce(() => health.markDraining())
  shutdown.drains('traffic', server.drain)
  shutdown.opened('upstream connections', () => upstream.close())
  shutdown.opened('stall check', () => server.close())
  shutdown.opened('health checks', () => health.stop())

  await listen(server.http, { host: settings.HOST, port: settings.PORT }, 'PORT')
  if (isWorker) {
    obeyPrimary(shutdown, health, registry, instance, status)
  } else {
    shutdown.listenToSignals()
    const admin = adminServer({
      instance,
      log,
      health,
      token: settings.ADMIN_TOKEN,
      metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
      status,
    })
    await admin.ready()
    await listen(admin.server, { host: settings.ADMIN_HOST, port: settings.ADMIN_PORT }, 'ADMIN_PORT')
    shutdown.opened('admin listener', () => admin.close())
  }
  health.start()
  health.markServing()
  log.info({ traffic: server.http.address(), upstream: settings.UPSTREAM_URL, pid: process.pid }, 'proxy listens')
}

const settings = orExit(() => proxySettings(process.env))
try {
  await (settings.WORKERS > 1 && cluster.isPrimary ? runWorkers(settings) : run(settings))
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error
  exitBadConfiguration(error)
}
