import { Counter, Gauge, type Registry } from 'prom-client'
import type { CircuitState } from '../state/circuits/circuit-breaker.ts'
import type { Circuits } from '../state/circuits/circuits.ts'

/** What `/metrics` tells of circuits, and of requests that are sent to the app again. */
export const circuitMetrics = (
  registry: Registry,
  circuits: Pick<Circuits, 'reports' | 'changes'>,
  upstream: { readonly retries: { readonly granted: number; readonly refused: number } },
): void => {
  new Gauge({
    name: 'sidegate_circuit_state',
    help: 'What the circuit of an operation is: 1 for its state; of several workers, how many are in it.',
    labelNames: ['operation', 'state'],
    registers: [registry],
    collect() {
      this.reset() // operations come and go with the policy
      for (const { name, state } of circuits.reports()) {
        for (const one of CIRCUIT_STATES) this.set({ operation: name, state: one }, one === state ? 1 : 0)
      }
    },
  })
  new Counter({
    name: 'sidegate_circuit_changes_total',
    help: 'How often the circuit of an operation has come into a state.',
    labelNames: ['operation', 'state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { operation, to, count } of circuits.changes()) this.inc({ operation, state: to }, count)
    },
  })
  new Counter({
    name: 'sidegate_circuit_refused_total',
    help: 'Requests that a circuit has not let through to the app.',
    labelNames: ['operation'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { name, refused } of circuits.reports()) this.inc({ operation: name }, refused)
    },
  })
  new Counter({
    name: 'sidegate_upstream_retries_total',
    help: 'Requests that were sent to the app again, and those that were not as the budget was used up.',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      this.reset()
      const { granted, refused } = upstream.retries
      this.inc({ result: 'sent' }, granted)
      this.inc({ result: 'refused' }, refused)
    },
  })
}

const CIRCUIT_STATES: readonly CircuitState[] = ['closed', 'open', 'half-open', 'closing']
