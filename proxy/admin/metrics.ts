import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { InFlight } from '#shared/drain.ts'
import type { Instance } from '#shared/instance.ts'
import type { TrafficCounts } from '../layers/traffic.ts'
import type { EmergencyState } from '../state/emergency/emergency-state.ts'
import type { Reading } from '../state/emergency/pressure.ts'

/** What the metrics are read from, when they are scraped and not before. */
export interface Measured {
  readonly traffic: TrafficCounts
  inFlight(): InFlight
  upstreamQueued(): number
  readonly blocks: { readonly size: number; readonly untold: number }
  readonly violations: { readonly blocked: number; readonly unmade: number }
  readonly stale: { readonly bytes: number; readonly served: ReadonlyMap<string, number> }
  readonly sharing: { readonly counts: { readonly shared: number; readonly loaded: number } }
  readonly purging: { readonly calls: Readonly<Record<string, number>> }
  readonly emergency: { readonly state: EmergencyState; readings(): readonly Reading[] }
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
  new Gauge({
    name: 'sidegate_blocks',
    help: 'Blocks that this instance knows, those included that have passed and are remembered.',
    registers: [registry],
    collect() {
      this.set(measured.blocks.size)
    },
  })
  new Gauge({
    name: 'sidegate_blocks_untold',
    help: 'Blocks and unblocks that the fleet has not been told of yet.',
    registers: [registry],
    collect() {
      this.set(measured.blocks.untold)
    },
  })
  new Counter({
    name: 'sidegate_auto_blocks_total',
    help: 'Clients that this instance has blocked by itself.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(measured.violations.blocked)
    },
  })
  new Counter({
    name: 'sidegate_auto_blocks_unmade_total',
    help: 'Violations that were to lead to a block, of which there were too many.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(measured.violations.unmade)
    },
  })
  new Counter({
    name: 'sidegate_stale_replies_total',
    help: 'Earlier replies that went out in the place of a failure, by its cause.',
    labelNames: ['cause'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [cause, count] of measured.stale.served) this.inc({ cause }, count)
    },
  })
  new Gauge({
    name: 'sidegate_stale_store_bytes',
    help: 'What is kept of replies, about.',
    registers: [registry],
    collect() {
      this.set(measured.stale.bytes)
    },
  })
  new Counter({
    name: 'sidegate_stale_shared_addresses_total',
    help: 'Addresses whose kept replies this instance has written to Redis, and those that it took from there when it started.',
    labelNames: ['direction'],
    registers: [registry],
    collect() {
      this.reset()
      this.inc({ direction: 'out' }, measured.sharing.counts.shared)
      this.inc({ direction: 'in' }, measured.sharing.counts.loaded)
    },
  })
  new Counter({
    name: 'sidegate_purge_calls_total',
    help: 'Calls by which this instance has told purges to the CDN, by what they have come to.',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [result, count] of Object.entries(measured.purging.calls)) this.inc({ result }, count)
    },
  })
  new Gauge({
    name: 'sidegate_emergency_state',
    help: 'Whether the fleet is calm, in an emergency, or recovering from one: 1 for what it is.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const state of EMERGENCY_STATES) this.set({ state }, state === measured.emergency.state ? 1 : 0)
    },
  })
  new Gauge({
    name: 'sidegate_emergency_signal',
    help: 'What an emergency is entered by: of the fleet, over ten seconds.',
    labelNames: ['signal'],
    registers: [registry],
    collect() {
      for (const { signal, value } of measured.emergency.readings()) this.set({ signal }, value)
    },
  })
  return registry
}

const EMERGENCY_STATES: readonly EmergencyState[] = ['calm', 'emergency', 'recovering']
