import type { EmergencyState } from '../emergency/emergency-state.ts'
import type { Policy } from '../policy/schema.ts'

/** So many violations within the window lead to a block: fewer in an emergency, and one at the least. */
export const violationsThreshold = ({ blocking, emergency }: Policy, state: EmergencyState): number =>
  Math.max(1, Math.ceil(blocking.violations * (state === 'calm' ? 1 : emergency.violationsFactor)))
