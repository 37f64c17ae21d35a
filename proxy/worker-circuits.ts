import type { CircuitControl } from './admin/circuit-routes.ts'
import type { CircuitOrder } from './state/circuits/circuit-breaker.ts'
import type { PrimaryOrder, WorkerReport } from './worker-messages.ts'

/** The circuits of all workers, as the primary knows them by what they have told last. */
export class WorkerCircuits implements CircuitControl {
  readonly #reports: () => readonly WorkerReport[]
  readonly #tell: (order: PrimaryOrder) => void
  /** Those that hold until another one. */
  readonly #standing = new Map<string, CircuitOrder>()

  constructor(reports: () => readonly WorkerReport[], tell: (order: PrimaryOrder) => void) {
    this.#reports = reports
    this.#tell = tell
  }

  list(): ReturnType<CircuitControl['list']> {
    return this.#reports().flatMap(({ instance, status }) =>
      status.circuits.map((circuit) => ({ instance, ...circuit })),
    )
  }

  order(name: string, order: CircuitOrder): number {
    const processes = this.list().filter((circuit) => circuit.name === name).length
    if (processes === 0) return 0
    if (order === 'open' || order === 'closed') this.#standing.set(name, order)
    else this.#standing.delete(name)
    this.#tell({ type: 'circuit', name, order })
    return processes
  }

  /** What a worker that has started meanwhile is to be told. */
  standing(): PrimaryOrder[] {
    return [...this.#standing].map(([name, order]) => ({ type: 'circuit', name, order }))
  }
}
