import { AggregatorRegistry, type Registry } from 'prom-client'
import type { Health } from '#shared/health.ts'
import type { Instance } from '#shared/instance.ts'
import type { Shutdown } from '#shared/shutdown.ts'
import type { Circuits } from './state/circuits/circuits.ts'
import type { PassedOrder } from './state/emergency/emergency-order.ts'
import { isPrimaryOrder, type WorkerReport } from './worker-messages.ts'

const REPORT_INTERVAL_MS = 1_000

/**
 * A worker's side of cluster mode: it reports its health to the primary, which answers the probes for all, and drains
 * when the primary says so. A terminal or a supervisor signals the whole process group: the worker leaves signals to
 * the primary, or one Ctrl-C would count as two.
 */
export const obeyPrimary = (
  shutdown: Shutdown,
  health: Health,
  registry: Registry,
  instance: Instance,
  status: () => WorkerReport['status'],
  onEmergency: (order: PassedOrder) => void,
  circuits: Pick<Circuits, 'obey'>,
): void => {
  AggregatorRegistry.setRegistries(registry)
  new AggregatorRegistry() // its construction is what makes this process answer the primary's scrapes
  const report = (): void => {
    const message: WorkerReport = {
      type: 'report',
      instance: instance.id,
      ready: health.ready(),
      health: health.report(),
      inFlight: shutdown.inFlight(),
      status: status(),
    }
    if (process.connected) process.send?.(message)
  }
  health.onChange(report)
  const timer = setInterval(report, REPORT_INTERVAL_MS)
  timer.unref()
  shutdown.opened('reports to the primary', () => clearInterval(timer))

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined)
  process.on('message', (message) => {
    if (!isPrimaryOrder(message)) return
    if (message.type === 'emergency') onEmergency(message.order)
    else if (message.type === 'circuit') {
      circuits.obey(message.name, message.order, message.seconds)
      report() // who has ordered it looks what it has done
    } else if (message.type === 'drain') void shutdown.begin(message.reason)
    else shutdown.force(message.reason)
  })
}
