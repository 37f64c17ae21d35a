import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alertKey, type FiringAlert, judgeAlerts } from './burn-alerts.ts'
import type { BurnRate, ObjectiveReport } from './slo-report.ts'

const MINIMUM = 100
const NOBODY: ReadonlySet<string> = new Set()
const RATES = [
  { factor: 10, longSeconds: 3_600, shortSeconds: 300 },
  { factor: 2, longSeconds: 86_400, shortSeconds: 7_200 },
]

type Windows = readonly [{ events: number; burn: number | null }, { events: number; burn: number | null }]

const rateOf = ({ factor, longSeconds, shortSeconds }: (typeof RATES)[0], [long, short]: Windows): BurnRate => {
  const exceeds = ({ events, burn }: Windows[0]) => events >= MINIMUM && (burn ?? 0) > factor
  return {
    factor,
    long: { windowSeconds: longSeconds, ...long },
    short: { windowSeconds: shortSeconds, ...short },
    isExceeded: exceeds(long) && exceeds(short),
  }
}

/** @param windows of each burn rate; those of latency undefined where none is promised */
const reportOf = (name: string, availability: Windows[], latency?: Windows[]): ObjectiveReport => {
  const promised = (windows: Windows[]) => ({
    ...{ target: 0.9, events: 0, bad: 0, share: null, budgetLeft: null },
    burnRates: windows.map((each, at) => rateOf(RATES[at] as (typeof RATES)[0], each)),
  })
  const slow = latency && { thresholdMs: 300, ...promised(latency) }
  return { name, windowDays: 30, availability: promised(availability), latency: slow ?? null }
}

/** Around both factors and both edges of their bands. */
const window = fc.record({
  events: fc.constantFrom(0, MINIMUM - 1, MINIMUM, 10_000),
  burn: fc.constantFrom(null, 0, 1, 1.8, 1.81, 2, 2.1, 5, 9, 9.01, 9.5, 10, 10.01, 50),
})
const windows = fc.tuple(window, window)
const objective = (name: string) =>
  fc.option(
    fc
      .tuple(fc.array(windows, { maxLength: 2 }), fc.option(fc.array(windows, { maxLength: 2 }), { nil: undefined }))
      .map(([availability, latency]) => reportOf(name, availability, latency)),
    { nil: undefined },
  )
const reports = fc
  .tuple(objective('reads'), objective('writes'))
  .map((some) => some.filter((report) => report !== undefined))

const isAbove = ({ long, short }: BurnRate, factor: number): boolean =>
  [long, short].every(({ events, burn }) => events >= MINIMUM && burn !== null && burn > factor)

const isHigh = (now: readonly ObjectiveReport[], key: string): boolean =>
  now.some(({ name, availability, latency }) =>
    [
      ...availability.burnRates.map((rate) => ['availability', rate] as const),
      ...(latency?.burnRates ?? []).map((rate) => ['latency', rate] as const),
    ].some(
      ([promise, rate]) => key.startsWith(`${name} ${promise} ${rate.factor} `) && isAbove(rate, rate.factor * 0.9),
    ),
  )

describe('burn-rate alerts', () => {
  it('fire where both windows exceed and have events enough, and until one is below nine tenths of it at two looks in a row', () => {
    fc.assert(
      fc.property(fc.array(reports, { maxLength: 12 }), (moments) => {
        let firing: readonly FiringAlert[] = []
        let doubted: ReadonlySet<string> = new Set()
        let below: ReadonlySet<string> = new Set()
        for (const [nowMs, now] of moments.entries()) {
          const before = new Set(firing.map(alertKey))
          const wasBelow = below
          const judged = judgeAlerts(now, MINIMUM, firing, doubted, nowMs)
          const expected = now.flatMap(({ name, availability, latency }) =>
            (
              [
                ['availability', availability.burnRates],
                ['latency', latency?.burnRates ?? []],
              ] as const
            ).flatMap(([promise, burnRates]) =>
              burnRates
                .map((rate) => ({ rate, key: `${name} ${promise} ${rate.factor}` }))
                .filter(({ rate, key }) => {
                  const fired = [...before].find((known) => known.startsWith(`${key} `))
                  if (fired === undefined) return isAbove(rate, rate.factor)
                  return isAbove(rate, rate.factor * 0.9) || !wasBelow.has(fired)
                })
                .map(({ key }) => key),
            ),
          )
          expect(judged.firing.map(({ objective: of, promise, factor }) => `${of} ${promise} ${factor}`)).toEqual(
            expected,
          )
          // One change for each that fires and did not, or did and does not; since when, it keeps.
          const after = new Set(judged.firing.map(alertKey))
          const of = (kind: string) => judged.changes.filter((change) => change.kind === kind).map(({ alert }) => alert)
          expect(new Set(of('fires').map(alertKey))).toEqual(after.difference(before))
          expect(new Set(of('resolved').map(alertKey))).toEqual(before.difference(after))
          expect(judged.changes).toHaveLength(after.symmetricDifference(before).size)
          for (const alert of judged.firing) {
            const known = firing.find((one) => alertKey(one) === alertKey(alert))
            expect(alert.sinceMs).toBe(known?.sinceMs ?? nowMs)
          }
          // Of those that fire, the ones that this look has found below: the next one ends them.
          below = new Set([...after].filter((key) => before.has(key) && !isHigh(now, key)))
          firing = judged.firing
          doubted = judged.doubted
        }
      }),
    )
  })

  it('change once at most while what burns stays within the band, however it goes up and down', () => {
    const within = fc.record({
      events: fc.integer({ min: MINIMUM, max: 10_000 }),
      burn: fc.double({ min: 9.001, max: 50, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(within, within), { maxLength: 20 }), (moments) => {
        let firing: readonly FiringAlert[] = []
        let doubted: ReadonlySet<string> = new Set()
        const changes = moments.flatMap((both, nowMs) => {
          const judged = judgeAlerts([reportOf('reads', [both])], MINIMUM, firing, doubted, nowMs)
          firing = judged.firing
          doubted = judged.doubted
          return judged.changes
        })
        expect(changes.length).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('are over where the policy has no more of them', () => {
    const high: Windows = [
      { events: MINIMUM, burn: 50 },
      { events: MINIMUM, burn: 50 },
    ]
    const { firing } = judgeAlerts([reportOf('reads', [high], [high])], MINIMUM, [], NOBODY, 1)
    expect(firing).toHaveLength(2)
    expect(judgeAlerts([reportOf('reads', [high])], MINIMUM, firing, NOBODY, 2).changes).toMatchObject([
      { kind: 'resolved', alert: { promise: 'latency', sinceMs: 1 } },
    ])
    expect(judgeAlerts([], MINIMUM, firing, NOBODY, 2)).toMatchObject({ firing: [], changes: [{}, {}] })
  })

  it('are one where the policy says the same twice', () => {
    const rate = rateOf(RATES[0] as (typeof RATES)[0], [
      { events: MINIMUM, burn: 50 },
      { events: MINIMUM, burn: 50 },
    ])
    const report = reportOf('reads', [])
    const twice = { ...report, availability: { ...report.availability, burnRates: [rate, rate] } }
    expect(judgeAlerts([twice], MINIMUM, [], NOBODY, 1).changes).toHaveLength(1)
  })
})
