import type { Known } from './emergency-record.ts'
import type { EmergencyState } from './emergency-state.ts'

const STRICTNESS: Readonly<Record<EmergencyState, number>> = { calm: 0, recovering: 1, emergency: 2 }

export const isStricter = (some: EmergencyState, others: EmergencyState): boolean =>
  STRICTNESS[some] > STRICTNESS[others]

/**
 * What becomes of a change that an instance has made alone, once Redis is back: the later order of an operator counts, and
 * of what has come by itself the stricter. The fleet keeps its dwell all the same; until that has passed, the instance
 * stays alone.
 */
export const reconciled = (own: Known, fleet: Known, nowMs: number, minimumMs: number): 'adopt' | 'tell' | 'wait' => {
  if (own.record.id === fleet.record.id) return 'adopt'
  const laterMs = own.record.orderedAtMs - fleet.record.orderedAtMs
  if (laterMs !== 0) return laterMs > 0 ? 'tell' : 'adopt'
  if (!isStricter(own.standing.state, fleet.standing.state)) return 'adopt'
  return nowMs - fleet.standing.sinceMs >= minimumMs ? 'tell' : 'wait'
}
