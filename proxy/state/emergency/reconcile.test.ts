import { describe, expect, it } from 'vitest'
import type { Known } from './emergency-record.ts'
import type { EmergencyState } from './emergency-state.ts'
import { reconciled } from './reconcile.ts'

const MINIMUM_MS = 60_000

const known = (id: string, state: EmergencyState, orderedAtMs = 0, sinceMs = 0): Known => ({
  standing:
    state === 'calm'
      ? { state, mode: 'auto', sinceMs, isSpent: false }
      : { state, mode: 'auto', sinceMs, beganMs: sinceMs },
  record: {
    ...{ id, state, mode: 'auto', by: 'sidegate', instance: 'a', why: '', orderedAtMs },
    ...{ at: '2026-01-01T00:00:00Z', since: '2026-01-01T00:00:00Z' },
  },
})

describe('what an instance has changed alone', () => {
  it.each<[string, Known, Known, number, 'adopt' | 'tell' | 'wait']>([
    ['that is stricter is told', known('own', 'emergency'), known('f', 'calm'), MINIMUM_MS, 'tell'],
    ['waits for the dwell of the fleet', known('own', 'emergency'), known('f', 'calm'), MINIMUM_MS - 1, 'wait'],
    ['that is less strict is given up', known('own', 'calm'), known('f', 'emergency'), MINIMUM_MS, 'adopt'],
    ['half-way out is stricter than calm', known('own', 'recovering'), known('f', 'calm'), MINIMUM_MS, 'tell'],
    ['that is the same is given up', known('own', 'emergency'), known('f', 'emergency'), MINIMUM_MS, 'adopt'],
    ['that was told after all is done', known('x', 'emergency', 5), known('x', 'emergency', 5), 0, 'adopt'],
    ['on a later order is told at once', known('own', 'calm', 9), known('f', 'emergency', 8), 0, 'tell'],
    ['on an earlier order is given up', known('own', 'emergency', 8), known('f', 'calm', 9), MINIMUM_MS, 'adopt'],
  ])('%s', (_what, own, fleet, nowMs, verdict) => {
    expect(reconciled(own, fleet, nowMs, MINIMUM_MS)).toBe(verdict)
  })
})
