import fc from 'fast-check'
import { expect, it } from 'vitest'
import { quietLog } from '#shared/testing/redis-guards.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { FleetEmergency } from './emergency.ts'
import type { EmergencyMode } from './machine.ts'
import type { Signals } from './pressure.ts'

const START_MS = Date.parse('2026-01-01T00:00:00Z')
const MINIMUM_MS = 60_000
const NONE: Signals = { violationsPerSecond: 0, requests: 0, errorShare: 0, busyShare: 0, queueShare: 0 }

/** Any signal, from nothing to far above what is tolerated. */
const signals: fc.Arbitrary<Signals> = fc.record({
  violationsPerSecond: fc.double({ min: 0, max: 300, noNaN: true }),
  requests: fc.integer({ min: 0, max: 1_000 }),
  errorShare: fc.double({ min: 0, max: 1, noNaN: true }),
  busyShare: fc.double({ min: 0, max: 1, noNaN: true }),
  queueShare: fc.double({ min: 0, max: 1, noNaN: true }),
})
const events = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        signals,
        afterMs: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 5_000_000 })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ wallStepMs: fc.integer({ min: -1e10, max: 1e10 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        mode: fc.constantFrom<EmergencyMode[]>('on', 'off', 'auto'),
        seconds: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: undefined }),
      }),
    },
  ),
  { maxLength: 100 },
)

it('an emergency changes by itself once in a dwell at most, and is over once signals are low, whatever signals, clocks and operators do', async () => {
  await fc.assert(
    fc.asyncProperty(events, async (all) => {
      const clock = {
        nowMs: 0,
        stepMs: 0,
        wallMs: () => START_MS + clock.nowMs + clock.stepMs,
        monotonicMs: () => clock.nowMs,
      }
      const found = { current: NONE, isWhole: true, now: () => found.current }
      const around = { policies: new TestPolicies({}), signals: found }
      const emergency = new FleetEmergency(undefined, 'a', around, quietLog, clock)
      await emergency.open()
      let changedAtMs = Number.NEGATIVE_INFINITY
      for (const event of all) {
        const before = emergency.status
        if ('wallStepMs' in event) clock.stepMs += event.wallStepMs
        else if ('mode' in event) {
          await emergency.order({ ...event, by: 'ada' })
          expect(emergency.status.mode).toBe(event.mode)
          if (event.mode !== 'auto') expect(emergency.state).toBe(event.mode === 'on' ? 'emergency' : 'calm')
          if (emergency.state !== before.state) changedAtMs = clock.nowMs
        } else {
          clock.nowMs += event.afterMs
          found.current = event.signals
          await emergency.look()
          if (emergency.state === before.state) continue
          expect(before.mode).toBe('auto')
          expect(clock.nowMs - changedAtMs).toBeGreaterThanOrEqual(MINIMUM_MS)
          changedAtMs = clock.nowMs
        }
      }
      if (emergency.status.mode !== 'auto') await emergency.order({ mode: 'auto', by: 'ada' })
      found.current = NONE
      for (const endMs = clock.nowMs + 2 * MINIMUM_MS; clock.nowMs <= endMs; clock.nowMs += 5_000)
        await emergency.look()
      expect(emergency.status).toMatchObject({ state: 'calm', mode: 'auto' })
      await emergency.close()
    }),
  )
})
