import type { Pressure } from './pressure.ts'

/**
 * When there is an emergency:
 *
 *     calm ───signals are high──────────────▶ emergency      not where it is spent
 *     emergency ──signals are low───────────▶ recovering
 *     emergency ──maximum duration──────────▶ recovering
 *     recovering ──signals are high─────────▶ emergency      not beyond the maximum duration
 *     recovering ──signals are low──────────▶ calm
 *     recovering ──maximum duration─────────▶ calm           spent, where signals are not low
 *
 * None of these sooner than the minimum dwell after the change before it, whatever the signals do. `on` and `off` are an
 * operator's: they hold at once, and nothing but their own end changes them.
 *
 * Spent is a calm that an emergency has run into for as long as it may: what it did has not helped, or the signal is
 * wrong. It is not entered again by itself until the signals have been low once, or as long again has passed.
 *
 * All times are of one clock that never goes back.
 */
export type Standing =
  | { readonly state: 'calm'; readonly mode: 'auto'; readonly sinceMs: number; readonly isSpent: boolean }
  | { readonly state: 'calm'; readonly mode: 'off'; readonly sinceMs: number; readonly untilMs: number }
  | { readonly state: 'emergency'; readonly mode: 'on'; readonly sinceMs: number; readonly untilMs: number }
  | Episode

/** From the first entering on, through all recovering; the maximum duration is counted from `beganMs`. */
interface Episode {
  readonly state: 'emergency' | 'recovering'
  readonly mode: 'auto'
  readonly sinceMs: number
  readonly beganMs: number
}

export type EmergencyMode = 'on' | 'off' | 'auto'

export interface MachineRules {
  /** Whether it is entered without an operator. */
  readonly isAutomatic: boolean
  readonly minimumMs: number
  readonly maximumMs: number
}

/** Why something changes by itself. */
export type Cause = 'signals-high' | 'signals-low' | 'maximum-duration' | 'order-ended' | 'rested'

export interface Move {
  readonly to: Standing
  readonly cause: Cause
}

/** What a fleet begins with. */
export const CALM: Standing = { state: 'calm', mode: 'auto', sinceMs: Number.NEGATIVE_INFINITY, isSpent: false }

/** What changes by itself; undefined for nothing. */
export const step = (at: Standing, pressure: Pressure, nowMs: number, rules: MachineRules): Move | undefined => {
  if (at.mode !== 'auto') {
    return nowMs >= at.untilMs ? { to: ordered(at, 'auto', nowMs), cause: 'order-ended' } : undefined
  }
  if (at.state === 'calm' && at.isSpent) {
    const isRested = pressure === 'low' || nowMs - at.sinceMs >= rules.maximumMs
    return isRested ? { to: { ...at, isSpent: false }, cause: 'rested' } : undefined
  }
  if (nowMs - at.sinceMs < rules.minimumMs) return undefined
  const isRising = pressure === 'high' && rules.isAutomatic
  if (at.state === 'calm') return isRising ? { to: begun(nowMs, nowMs), cause: 'signals-high' } : undefined
  const isOverlong = nowMs - at.beganMs >= rules.maximumMs
  const cause = pressure === 'low' ? 'signals-low' : 'maximum-duration'
  if (at.state === 'emergency') {
    return pressure === 'low' || isOverlong
      ? { to: { state: 'recovering', mode: 'auto', sinceMs: nowMs, beganMs: at.beganMs }, cause }
      : undefined
  }
  if (pressure === 'low' || isOverlong) {
    return { to: { state: 'calm', mode: 'auto', sinceMs: nowMs, isSpent: pressure !== 'low' }, cause }
  }
  return isRising ? { to: begun(nowMs, at.beganMs), cause: 'signals-high' } : undefined
}

/** What an operator orders, at once. @param untilMs when `on` and `off` end; never, unless it is given */
export const ordered = (
  at: Standing,
  mode: EmergencyMode,
  nowMs: number,
  untilMs: number = Number.POSITIVE_INFINITY,
): Standing => {
  const since = (state: Standing['state']) => (at.state === state ? at.sinceMs : nowMs)
  switch (mode) {
    case 'on':
      return { state: 'emergency', mode, sinceMs: since('emergency'), untilMs }
    case 'off':
      return { state: 'calm', mode, sinceMs: since('calm'), untilMs }
    case 'auto':
      // From here on it may last as long as one that began by itself.
      if (at.state === 'emergency') return begun(at.sinceMs, nowMs)
      return at.state === 'calm' ? { state: 'calm', mode, sinceMs: at.sinceMs, isSpent: false } : at
  }
}

const begun = (sinceMs: number, beganMs: number): Episode => ({ state: 'emergency', mode: 'auto', sinceMs, beganMs })
