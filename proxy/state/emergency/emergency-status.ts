import type { EmergencyRecord } from './emergency-record.ts'
import type { EmergencyState } from './emergency-state.ts'
import type { Cause, EmergencyMode } from './machine.ts'

/** What the history calls who changes something by itself. */
export const AUTHOR = 'sidegate'

/** What operators are told. */
export interface EmergencyStatus {
  readonly state: EmergencyState
  readonly mode: EmergencyMode
  /** Undefined where it has never been otherwise. */
  readonly since?: string
  readonly until?: string
  readonly isSpent?: true
  readonly by: string
  readonly why: string
  /** False while it is this instance's alone, for want of Redis. */
  readonly isFleetTold: boolean
}

/** Before anything has happened in the fleet. */
export const NOTHING_YET: EmergencyRecord = {
  ...{ id: '', state: 'calm', mode: 'auto', by: AUTHOR, instance: '', why: 'nothing has happened yet', orderedAtMs: 0 },
  ...{ at: new Date(0).toISOString(), since: new Date(0).toISOString() },
}

export const CAUSES: Readonly<Record<Cause, string>> = {
  'signals-high': 'signals are high',
  'signals-low': 'signals are low',
  'maximum-duration': 'it has lasted as long as it may',
  'order-ended': 'the time of the order is over',
  rested: 'it may be entered again',
}

/** Whether there is nothing in it to log. */
export const isSame = (some: EmergencyRecord, others: EmergencyRecord): boolean =>
  some.state === others.state &&
  some.mode === others.mode &&
  some.until === others.until &&
  some.isSpent === others.isSpent &&
  some.orderedAtMs === others.orderedAtMs

export const toldOf = (record: EmergencyRecord, isFleetTold: boolean): EmergencyStatus => {
  const { state, mode, since, until, isSpent, by, why } = record
  return {
    ...{ state, mode },
    ...(record !== NOTHING_YET && { since }),
    ...(until !== undefined && { until }),
    ...(isSpent === true && { isSpent }),
    ...{ by, why, isFleetTold },
  }
}
