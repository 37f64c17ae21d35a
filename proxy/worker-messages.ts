import type { InFlight } from '#shared/drain.ts'
import type { HealthReply } from '#shared/health.ts'
import type { CircuitOrder } from './state/circuits/circuit-breaker.ts'
import type { CircuitReport } from './state/circuits/circuits.ts'
import type { PassedOrder } from './state/emergency/emergency-order.ts'

/** What a worker tells the primary of itself: at each change, and every second. */
export interface WorkerReport {
  readonly type: 'report'
  readonly instance: string
  readonly ready: HealthReply
  readonly health: HealthReply
  readonly inFlight: InFlight
  readonly status: Readonly<Record<string, unknown>> & { readonly circuits: readonly CircuitReport[] }
}

/** What the primary tells its workers. */
export type PrimaryOrder =
  | { readonly type: 'drain' | 'force'; readonly reason: string }
  /** Where the fleet cannot be told of it. */
  | { readonly type: 'emergency'; readonly order: PassedOrder }
  | { readonly type: 'circuit'; readonly name: string; readonly order: CircuitOrder; readonly seconds?: number }

export const isWorkerReport = (message: unknown): message is WorkerReport =>
  typeof message === 'object' && message !== null && 'type' in message && message.type === 'report'

export const isPrimaryOrder = (message: unknown): message is PrimaryOrder =>
  typeof message === 'object' &&
  message !== null &&
  'type' in message &&
  (message.type === 'drain' || message.type === 'force' || message.type === 'emergency' || message.type === 'circuit')
