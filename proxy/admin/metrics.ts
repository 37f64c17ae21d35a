import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { InFlight } from '#shared/drain.ts'
import type { Instance } from '#shared/instance.ts'
import type { TrafficCounts } from '../layers/traffic.ts'

/** What the metrics are read from, when they are scraped and not before. */
export interface Measured {
  readonly traffic: TrafficCounts
  inFlight(): InFlight
  upstreamQueued(): number
}

export const proxyMetrics = (instance: Instance, measured: Measured): Registry => {
  const registry = new Registry()
  registry.setDefaultLabels({ instance_id: instance.id, process: instance.process })
  collectDefaultMetrics({ register: registry })

  new Counter({
    name: 'sidegate_requests_total',
    help: 'Exchanges that have ended, by how they did and the status that the client saw.',
    labelNames: ['outcome', 'status'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { outcome, status, count } of measured.traffic.entries()) this.inc({ outcome, status }, count)
    },
  })
  new Gauge({
    name: 'sidegate_in_flight',
    help: 'Exchanges under way, and connections that have been upgraded.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      const { requests, upgrades } = measured.inFlight()
      this.set({ kind: 'request' }, requests)
      this.set({ kind: 'upgrade' }, upgrades)
    },
  })
  new Gauge({
    name: 'sidegate_upstream_queue',
    help: 'Exchanges that wait for a connection to the app.',
    registers: [registry],
    collect() {
      this.set(measured.upstreamQueued())
    },
  })
  return registry
}
