import type { Clock } from '#shared/clock.ts'
import type { CircuitControl } from './admin/circuit-routes.ts'
import type { CircuitOrder } from './state/circuits/circuit-breaker.ts'
import type { PrimaryOrder, WorkerReport } from './worker-messages.ts'

/** The circuits of all workers, as the primary knows them by what they have told last. */
export class WorkerCircuits implements CircuitControl {
  readonly #reports: () => readonly WorkerReport[]
  readonly #tell: (order: PrimaryOrder) => void
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** Those that hold until another one, or until they end. */
  readonly #standing = new Map<string, { readonly order: CircuitOrder; readonly endsAtMs: number | undefined }>()

  constructor(
    reports: () => readonly WorkerReport[],
    tell: (order: PrimaryOrder) => void,
    clock: Pick<Clock, 'monotonicMs'>,
  ) {
    this.#clock = clock
    this.#reports = reports
    this.#tell = tell
  }

  list(): ReturnType<CircuitControl['list']> {
    return this.#reports().flatMap(({ instance, status }) =>
      status.circuits.map((circuit) => ({ instance, ...circuit })),
    )
  }

  order(name: string, order: CircuitOrder, seconds?: number): number {
    const processes = this.list().filter((circuit) => circuit.name === name).length
    if (processes === 0) return 0
    if (order === 'open' || order === 'closed') {
      const endsAtMs = seconds === undefined ? undefined : this.#clock.monotonicMs() + seconds * 1_000
      this.#standing.set(name, { order, endsAtMs })
    } else this.#standing.delete(name)
    this.#tell(orderOf(name, order, seconds))
    return processes
  }

  /** What a worker that has started meanwhile is to be told. */
  standing(): PrimaryOrder[] {
    const nowMs = this.#clock.monotonicMs()
    return [...this.#standing].flatMap(([name, { order, endsAtMs }]) => {
      if (endsAtMs === undefined) return [orderOf(name, order, undefined)]
      return endsAtMs > nowMs ? [orderOf(name, order, (endsAtMs - nowMs) / 1_000)] : []
    })
  }
}

const orderOf = (name: string, order: CircuitOrder, seconds: number | undefined): PrimaryOrder => ({
  ...{ type: 'circuit', name, order },
  ...(seconds !== undefined && { seconds }),
})
