import type { Layer } from '../layer.ts'
import type { Outcome } from '../outcome.ts'

/** Who wants to know how exchanges have ended. */
export interface OutcomeCount {
  count(outcome: Outcome): void
}

/** Counts what tells of an emergency. */
export const emergencySignals = (signals: OutcomeCount): Layer => ({
  name: 'emergency-signals',
  onFinish: (_exchange, outcome) => signals.count(outcome),
})
