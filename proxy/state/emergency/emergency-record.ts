import type { EmergencyState } from './emergency-state.ts'
import type { EmergencyMode, Standing } from './machine.ts'

/** A change, as the fleet keeps it. Times are of the wall clock. */
export interface EmergencyRecord {
  readonly id: string
  readonly state: EmergencyState
  readonly mode: EmergencyMode
  /** When it was written. */
  readonly at: string
  /** Since when the state is what it is. */
  readonly since: string
  /** Of an emergency that began by itself. */
  readonly began?: string
  /** When an operator's order ends. */
  readonly until?: string
  readonly isSpent?: true
  /** An operator's token, or `sidegate`. */
  readonly by: string
  readonly instance: string
  readonly why: string
  /** When an operator last had a say in it, in milliseconds. */
  readonly orderedAtMs: number
}

/** A change, and what it means on this instance's own clock. */
export interface Known {
  readonly record: EmergencyRecord
  readonly standing: Standing
}

/** Both clocks at one moment. */
export interface Moment {
  readonly wallMs: number
  readonly monotonicMs: number
}

type Author = Pick<EmergencyRecord, 'id' | 'by' | 'instance' | 'why' | 'orderedAtMs'>

export const recordOf = (standing: Standing, author: Author, { wallMs, monotonicMs }: Moment): EmergencyRecord => {
  /** What is for ever is not told. */
  const told = (ms: number): string | undefined =>
    Number.isFinite(ms) ? new Date(wallMs + Math.round(ms - monotonicMs)).toISOString() : undefined
  const at = new Date(wallMs).toISOString()
  const began = 'beganMs' in standing ? told(standing.beganMs) : undefined
  const until = 'untilMs' in standing ? told(standing.untilMs) : undefined
  return {
    ...{ id: author.id, state: standing.state, mode: standing.mode, at, since: told(standing.sinceMs) ?? at },
    ...(began !== undefined && { began }),
    ...(until !== undefined && { until }),
    ...('isSpent' in standing && standing.isSpent && { isSpent: true as const }),
    ...{ by: author.by, instance: author.instance, why: author.why, orderedAtMs: author.orderedAtMs },
  }
}

/**
 * Clocks of instances differ, and may be set meanwhile. Who hears of a change while it runs takes it for made now, which at
 * worst makes a dwell longer; only what was found at the start is as old as the wall clock says.
 */
export const standingOf = (record: EmergencyRecord, { wallMs, monotonicMs }: Moment, isFound: boolean): Standing => {
  const atMs = Date.parse(record.at)
  const madeMs = monotonicMs - (isFound ? Math.max(0, wallMs - atMs) : 0)
  const before = (time: string) => madeMs - Math.max(0, atMs - Date.parse(time))
  const sinceMs = before(record.since)
  const untilMs = record.until === undefined ? Number.POSITIVE_INFINITY : madeMs + Date.parse(record.until) - atMs
  if (record.mode === 'on') return { state: 'emergency', mode: 'on', sinceMs, untilMs }
  if (record.mode === 'off') return { state: 'calm', mode: 'off', sinceMs, untilMs }
  if (record.state === 'calm') return { state: 'calm', mode: 'auto', sinceMs, isSpent: record.isSpent === true }
  return { state: record.state, mode: 'auto', sinceMs, beganMs: before(record.began ?? record.since) }
}

/** Undefined where what is in Redis is none. */
export const parseRecord = (body: string): EmergencyRecord | undefined => {
  try {
    const found = JSON.parse(body) as EmergencyRecord
    return isRecord(found) ? found : undefined
  } catch {
    return undefined // told of by who has read it
  }
}

const isRecord = ({ id, state, mode, at, since, began, until, by, instance, why, orderedAtMs }: EmergencyRecord) =>
  ['calm', 'emergency', 'recovering'].includes(state) &&
  ['on', 'off', 'auto'].includes(mode) &&
  [at, since, began ?? at, until ?? at].every((time) => !Number.isNaN(Date.parse(time))) &&
  [id, by, instance, why].every((text) => typeof text === 'string') &&
  Number.isFinite(orderedAtMs)
