import type { Layer } from '../layer.ts'
import type { Outcome } from '../outcome.ts'
import type { Circuits } from '../state/circuits/circuits.ts'

/** Who wants to know how exchanges have ended. */
export interface OutcomeCount {
  /** @param isAppGivenRest whether the circuit of its operation is not closed */
  count(outcome: Outcome, isAppGivenRest: boolean): void
}

/** Counts what tells of an emergency. */
export const emergencySignals = (signals: OutcomeCount, circuits: Pick<Circuits, 'of'>): Layer => ({
  name: 'emergency-signals',
  onFinish({ operation, excuse }, outcome) {
    if (excuse !== undefined) return
    const circuit = circuits.of(operation.name)
    signals.count(outcome, circuit !== undefined && circuit.standing.state !== 'closed')
  },
})
