import type { Layer } from '../layer.ts'
import type { Outcome } from '../outcome.ts'
import type { Circuits } from '../state/circuits/circuits.ts'

/** Who wants to know how exchanges have ended. */
export interface OutcomeCount {
  count(outcome: Outcome): void
}

/**
 * Counts what tells of an emergency. A failure of the app while its circuit is not closed does not: the app is given a rest already, and to ask
 * readers for puzzles as well would make its outage longer for those who cannot solve any. Nor does our own queue for the app, when it is
 * full: how full it is, is a signal of its own.
 */
export const emergencySignals = (signals: OutcomeCount, circuits: Pick<Circuits, 'of'>): Layer => ({
  name: 'emergency-signals',
  onFinish({ operation }, outcome) {
    if (outcome.refusal?.kind === 'upstream-busy') return
    if (isFailureOfTheApp(outcome)) {
      const circuit = circuits.of(operation.name)
      if (circuit !== undefined && circuit.standing.state !== 'closed') return
    }
    signals.count(outcome)
  },
})

const isFailureOfTheApp = ({ status, refusal }: Outcome): boolean => status >= 500 || refusal?.text.fault === 'app'
