import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CALM, type EmergencyMode, type MachineRules, ordered, type Standing, step } from './machine.ts'
import type { Pressure } from './pressure.ts'

const MINIMUM_MS = 60_000
const MAXIMUM_MS = 600_000
const rules: MachineRules = { isAutomatic: true, minimumMs: MINIMUM_MS, maximumMs: MAXIMUM_MS }

const pressures = fc.constantFrom<Pressure[]>('high', 'between', 'low')
/** From many looks in a dwell to few in a maximum duration. */
const pauses = fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 2 * MAXIMUM_MS }))
const looks = fc.array(fc.record({ pressure: pressures, pauseMs: pauses }), { maxLength: 200 })
const seconds = fc.option(fc.integer({ min: 1, max: 2 * MAXIMUM_MS }), { nil: undefined })
const orders = fc.record({ mode: fc.constantFrom<EmergencyMode[]>('on', 'off', 'auto'), lifeMs: seconds })

interface Seen {
  readonly nowMs: number
  readonly before: Standing
  readonly after: Standing
}

const run = (
  start: Standing,
  all: readonly { pressure: Pressure; pauseMs: number }[],
  by: MachineRules = rules,
): Seen[] => {
  let nowMs = 0
  let at = start
  return all.map(({ pressure, pauseMs }) => {
    nowMs += pauseMs
    const before = at
    at = step(at, pressure, nowMs, by)?.to ?? at
    return { nowMs, before, after: at }
  })
}

const changes = (seen: readonly Seen[]): Seen[] => seen.filter(({ before, after }) => before.state !== after.state)

/** Where anything may have led to, by itself or by orders. */
const anywhere = fc.array(fc.oneof(fc.record({ pressure: pressures, pauseMs: pauses }), orders)).map((steps) => {
  let nowMs = 0
  let at = CALM
  for (const one of steps) {
    if ('mode' in one) at = ordered(at, one.mode, nowMs, one.lifeMs === undefined ? undefined : nowMs + one.lifeMs)
    else {
      nowMs += one.pauseMs
      at = step(at, one.pressure, nowMs, rules)?.to ?? at
    }
  }
  return { at, nowMs }
})

describe('whatever the signals do', () => {
  it('nothing changes by itself sooner than the dwell after the change before', () => {
    fc.assert(
      fc.property(looks, (all) => {
        const times = changes(run(CALM, all)).map(({ nowMs }) => nowMs)
        for (const [index, nowMs] of times.entries()) {
          if (index > 0) expect(nowMs - (times[index - 1] as number)).toBeGreaterThanOrEqual(MINIMUM_MS)
        }
      }),
    )
  })

  it('calm comes by recovering alone, and recovering by an emergency alone', () => {
    fc.assert(
      fc.property(looks, (all) => {
        for (const { before, after } of changes(run(CALM, all))) {
          expect(['calm→emergency', 'emergency→recovering', 'recovering→calm', 'recovering→emergency']).toContain(
            `${before.state}→${after.state}`,
          )
        }
      }),
    )
  })

  it('no episode lasts longer than the maximum and two dwells, where it is looked at often enough', () => {
    const often = fc.array(fc.record({ pressure: pressures, pauseMs: fc.integer({ min: 1, max: 20_000 }) }), {
      minLength: 200,
      maxLength: 400,
    })
    fc.assert(
      fc.property(often, (all) => {
        let beganMs: number | undefined
        for (const { nowMs, after } of run(CALM, all)) {
          beganMs = after.state === 'calm' ? undefined : (beganMs ?? nowMs)
          if (beganMs !== undefined) expect(nowMs - beganMs).toBeLessThan(MAXIMUM_MS + 2 * MINIMUM_MS + 3 * 20_000)
        }
      }),
    )
  })

  it('signals that stay high are not answered for more than about half of the time', () => {
    const all = Array.from({ length: 10_000 }, () => ({ pressure: 'high' as const, pauseMs: 1_000 }))
    const inForce = run(CALM, all).filter(({ after }) => after.state !== 'calm').length
    expect(inForce / all.length).toBeGreaterThan(0.3)
    expect(inForce / all.length).toBeLessThan(0.6)
  })

  it('it is not entered by itself where it is not automatic', () => {
    fc.assert(
      fc.property(looks, (all) => {
        for (const { after } of run(CALM, all, { ...rules, isAutomatic: false })) expect(after.state).toBe('calm')
      }),
    )
  })
})

describe('wherever it is', () => {
  it('signals that are low for long enough lead to calm, if no operator has said otherwise', () => {
    fc.assert(
      fc.property(anywhere, ({ at, nowMs }) => {
        const start = at.mode === 'auto' ? at : ordered(at, 'auto', nowMs)
        let standing = start
        for (let ms = nowMs; ms <= nowMs + 2 * MINIMUM_MS; ms += 1_000)
          standing = step(standing, 'low', ms, rules)?.to ?? standing
        expect(standing).toMatchObject({ state: 'calm', mode: 'auto', isSpent: false })
      }),
    )
  })

  it('an order holds at once, and until its end, whatever the signals do', () => {
    fc.assert(
      fc.property(
        anywhere,
        fc.constantFrom<('on' | 'off')[]>('on', 'off'),
        seconds,
        looks,
        (from, mode, lifeMs, all) => {
          const untilMs = from.nowMs + (lifeMs ?? Number.POSITIVE_INFINITY)
          let at = ordered(from.at, mode, from.nowMs, untilMs)
          const state = mode === 'on' ? 'emergency' : 'calm'
          expect(at).toMatchObject({ state, mode })
          let { nowMs } = from
          for (const { pressure, pauseMs } of all) {
            nowMs += pauseMs
            if (nowMs >= untilMs) break
            at = step(at, pressure, nowMs, rules)?.to ?? at
            expect(at).toMatchObject({ state, mode })
          }
          if (lifeMs !== undefined) expect(step(at, 'high', untilMs, rules)?.to).toMatchObject({ state, mode: 'auto' })
        },
      ),
    )
  })
})

describe('an emergency', () => {
  const at = (state: 'emergency' | 'recovering', sinceMs: number, beganMs = sinceMs): Standing => ({
    ...{ state, mode: 'auto', sinceMs, beganMs },
  })

  it.each<[string, Standing, Pressure, number, string | undefined, string | undefined]>([
    ['is entered at once', CALM, 'high', 0, 'emergency', 'signals-high'],
    ['is not entered by what is between', CALM, 'between', 0, undefined, undefined],
    ['is not left before the dwell', at('emergency', 0), 'low', MINIMUM_MS - 1, undefined, undefined],
    ['is left after it', at('emergency', 0), 'low', MINIMUM_MS, 'recovering', 'signals-low'],
    ['is not left while signals are between', at('emergency', 0), 'between', MAXIMUM_MS - 1, undefined, undefined],
    ['is left at its longest', at('emergency', 0), 'high', MAXIMUM_MS, 'recovering', 'maximum-duration'],
    ['comes back', at('recovering', 1_000, 0), 'high', 61_000, 'emergency', 'signals-high'],
    ['does not come back before the dwell', at('recovering', 1_000, 0), 'high', 60_999, undefined, undefined],
    ['does not end while signals are between', at('recovering', 1_000, 0), 'between', 599_999, undefined, undefined],
    [
      'does not come back beyond its longest',
      at('recovering', 1_000, 0),
      'high',
      MAXIMUM_MS,
      'calm',
      'maximum-duration',
    ],
  ])('%s', (_what, from, pressure, nowMs, state, cause) => {
    const move = step(from, pressure, nowMs, rules)
    expect([move?.to.state, move?.cause]).toEqual([state, cause])
  })

  it('that has run into its longest is not entered again until signals were low, or as long again has passed', () => {
    const calm = step(at('recovering', 1_000, 0), 'high', MAXIMUM_MS, rules)?.to as Standing
    expect(calm).toMatchObject({ state: 'calm', isSpent: true })
    expect(step(calm, 'high', 2 * MAXIMUM_MS - 1, rules)).toBeUndefined()
    expect(step(calm, 'between', 2 * MAXIMUM_MS - 1, rules)).toBeUndefined()
    const rested = [step(calm, 'low', MAXIMUM_MS + 1, rules), step(calm, 'high', 2 * MAXIMUM_MS, rules)]
    for (const move of rested) expect(move).toMatchObject({ to: { state: 'calm', isSpent: false }, cause: 'rested' })
    expect(ordered(calm, 'auto', MAXIMUM_MS + 1)).toMatchObject({ isSpent: false })
  })

  it('that an operator hands over may last from then on as long as one that began by itself', () => {
    const handedOver = ordered(ordered(CALM, 'on', 0), 'auto', 10 * MAXIMUM_MS)
    expect(step(handedOver, 'high', 11 * MAXIMUM_MS - 1, rules)).toBeUndefined()
    expect(step(handedOver, 'high', 11 * MAXIMUM_MS, rules)).toMatchObject({ cause: 'maximum-duration' })
  })
})
