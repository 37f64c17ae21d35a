import type { Policy } from '../state/policy/schema.ts'
import { LATENCIES_AT, SLOW_AT } from './counts.ts'
import { LATENCY_BUCKETS, latencyOf } from './latency-buckets.ts'
import { objectiveSeries, operationSeries } from './slo.ts'
import { kindOf, VERDICTS, type Verdict } from './verdict.ts'

/** What has been counted of a series in the last `windowMs`, by place. */
export interface Counted {
  sum(series: string, windowMs: number, withLatencies?: boolean): Float64Array
}

const DAY_SECONDS = 86_400
/** Of which the traffic is reported. */
const TRAFFIC_WINDOWS = [300, 3_600, DAY_SECONDS, 30 * DAY_SECONDS]
const QUANTILES = { p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 } as const

export interface Traffic {
  readonly windowSeconds: number
  readonly good: number
  readonly bad: number
  readonly excluded: number
  /** null where there was nothing: no data is not 100 %. */
  readonly availability: number | null
  /** Those that there were, by why. */
  readonly verdicts: Partial<Record<Verdict, number>>
  /** Until the head of good replies, in milliseconds; null where there were none. */
  readonly latencyMs: Record<keyof typeof QUANTILES, number> | null
}

/** What is promised of one thing, and how it is kept. */
interface Promised {
  /** As in 0.999. */
  readonly target: number
  /** In the objective's window. */
  readonly events: number
  readonly bad: number
  /** Of the events, those that were as promised; null where there were none. */
  readonly share: number | null
  /** Of what may fail in the window, what is left: 1 is all, below 0 it is overdrawn. null where there were none. */
  readonly budgetLeft: number | null
  readonly burnRates: readonly BurnRate[]
}

/** How many times faster than allowed the budget burns; null where there were no events. */
export interface BurnRate {
  readonly factor: number
  readonly long: WindowBurn
  readonly short: WindowBurn
  /** Whether both windows exceed the factor, and have events enough for it to count. */
  readonly isExceeded: boolean
}

interface WindowBurn {
  readonly windowSeconds: number
  readonly events: number
  readonly burn: number | null
}

export interface ObjectiveReport {
  readonly name: string
  readonly windowDays: number
  readonly availability: Promised
  /** Of good replies, those that are not later than the threshold. */
  readonly latency: (Promised & { readonly thresholdMs: number }) | null
}

const kindsOf = (sums: Float64Array): { readonly good: number; readonly bad: number; readonly excluded: number } => {
  const by = { good: 0, bad: 0, excluded: 0 }
  for (const at of VERDICTS.keys()) by[kindOf(at)] += sums[at] as number
  return by
}

export const trafficOf = (sums: Float64Array, windowSeconds: number): Traffic => {
  const by = kindsOf(sums)
  const verdicts: Partial<Record<Verdict, number>> = {}
  for (const [at, verdict] of VERDICTS.entries()) {
    const count = sums[at] as number
    if (count > 0) verdicts[verdict] = count
  }
  const availability = by.good + by.bad === 0 ? null : by.good / (by.good + by.bad)
  return { windowSeconds, ...by, availability, verdicts, latencyMs: latenciesOf(sums, by.good) }
}

/** The traffic of each operation, and of all of them together, over some windows. */
export const trafficReport = (counted: Counted, operations: readonly string[]) => {
  const of = (names: readonly string[]) =>
    TRAFFIC_WINDOWS.map((seconds) => {
      const each = names.map((name) => counted.sum(operationSeries(name), seconds * 1_000, true))
      const [sums = new Float64Array(LATENCIES_AT + LATENCY_BUCKETS), ...others] = each
      for (const other of others) for (let at = 0; at < sums.length; at++) (sums[at] as number) += other[at] as number
      return trafficOf(sums, seconds)
    })
  return { all: of(operations), operations: operations.map((name) => ({ name, traffic: of([name]) })) }
}

/** How each objective of a policy is kept. */
export const objectiveReports = (
  counted: Counted,
  { slo, alerts }: Pick<Policy, 'slo' | 'alerts'>,
): ObjectiveReport[] =>
  Object.entries(slo.objectives).map(([name, { availability, latency, windowDays }]) => {
    const promised = (target: number, countOf: (sums: Float64Array) => Events): Promised => {
      const eventsIn = (seconds: number) => countOf(counted.sum(objectiveSeries(name), seconds * 1_000))
      const { events, bad } = eventsIn(windowDays * DAY_SECONDS)
      const burnIn = (windowSeconds: number): WindowBurn => {
        const inWindow = eventsIn(windowSeconds)
        const burn = inWindow.events === 0 ? null : inWindow.bad / inWindow.events / (1 - target)
        return { windowSeconds, events: inWindow.events, burn }
      }
      const burnRates = alerts.burnRates.map(({ factor, longSeconds, shortSeconds }): BurnRate => {
        const [long, short] = [burnIn(longSeconds), burnIn(shortSeconds)]
        const exceeds = ({ events: count, burn }: WindowBurn) => count >= alerts.minimumEvents && (burn ?? 0) > factor
        return { factor, long, short, isExceeded: exceeds(long) && exceeds(short) }
      })
      const budgetLeft = events === 0 ? null : 1 - bad / ((1 - target) * events)
      return { target, events, bad, share: events === 0 ? null : 1 - bad / events, budgetLeft, burnRates }
    }
    return {
      ...{ name, windowDays, availability: promised(availability, answered) },
      latency: latency === undefined ? null : { thresholdMs: latency.thresholdMs, ...promised(latency.share, inTime) },
    }
  })

interface Events {
  readonly events: number
  readonly bad: number
}

const answered = (sums: Float64Array): Events => {
  const { good, bad } = kindsOf(sums)
  return { events: good + bad, bad }
}

const inTime = (sums: Float64Array): Events => ({ events: kindsOf(sums).good, bad: sums[SLOW_AT] as number })

const latenciesOf = (sums: Float64Array, good: number): Traffic['latencyMs'] => {
  if (good === 0) return null
  const quantile = (share: number): number => {
    const rank = Math.ceil(share * good)
    let passed = 0
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
      passed += sums[LATENCIES_AT + bucket] as number
      if (passed >= rank) return latencyOf(bucket)
    }
    return latencyOf(LATENCY_BUCKETS - 1)
  }
  return {
    p50: quantile(QUANTILES.p50),
    p95: quantile(QUANTILES.p95),
    p99: quantile(QUANTILES.p99),
    p999: quantile(QUANTILES.p999),
  }
}
