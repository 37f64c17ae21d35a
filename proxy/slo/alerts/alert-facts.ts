import type { CompiledPolicy } from '../../state/policy/compile.ts'
import { type BurnAlert, burnRateOf } from '../burn-alerts.ts'
import { LATENCIES_AT, SLOW_AT } from '../counts.ts'
import { LATENCY_BUCKETS, latencyOf } from '../latency-buckets.ts'
import { objectiveSeries, operationSeries } from '../slo.ts'
import type { Counted, ObjectiveReport } from '../slo-report.ts'
import { kindOf, VERDICTS } from '../verdict.ts'

/** A name and how many bad exchanges it has in the short window. */
interface Share {
  readonly name: string
  readonly count: number
}

/** What whoever is told wants to know first. */
export interface AlertFacts {
  /** How many times faster than allowed the budget burns; null where there were no exchanges, or nothing is promised any more. */
  readonly longBurn: number | null
  readonly shortBurn: number | null
  /** Of the objective's window: 1 is all. */
  readonly budgetLeft: number | null
  /** What is promised, as in 0.999; null where it is not any more. */
  readonly target: number | null
  /** The latency that is promised. */
  readonly thresholdMs: number | null
  /** Why exchanges of the objective were bad (verdicts), or that they were `slow`. */
  readonly causes: readonly Share[]
  /** Whose exchanges were bad, or slow: of operations that routes with this objective may have, whatever their route. */
  readonly operations: readonly Share[]
  /** Correlation IDs of some that were, the latest first. */
  readonly examples: readonly string[]
}

const CAUSES_LIMIT = 3
const OPERATIONS_LIMIT = 3

export const alertFacts = (
  alert: BurnAlert,
  reports: readonly ObjectiveReport[],
  counted: Counted,
  policy: CompiledPolicy['policy'],
  examples: readonly string[],
): AlertFacts => {
  const report = reports.find(({ name }) => name === alert.objective)
  const promised = alert.promise === 'latency' ? (report?.latency ?? undefined) : report?.availability
  const rate = burnRateOf(reports, alert)
  const thresholdMs = alert.promise === 'latency' ? (report?.latency?.thresholdMs ?? null) : null
  const windowMs = alert.shortSeconds * 1_000
  const operations = operationsOf(alert.objective, policy).map((name) => ({
    name,
    count: badOf(counted.sum(operationSeries(name), windowMs, thresholdMs !== null), thresholdMs),
  }))
  return {
    longBurn: rate?.long.burn ?? null,
    shortBurn: rate?.short.burn ?? null,
    budgetLeft: promised?.budgetLeft ?? null,
    target: promised?.target ?? null,
    thresholdMs,
    causes: most(causesOf(alert, counted.sum(objectiveSeries(alert.objective), windowMs)), CAUSES_LIMIT),
    operations: most(operations, OPERATIONS_LIMIT),
    examples,
  }
}

const most = (shares: readonly Share[], limit: number): readonly Share[] =>
  shares
    .filter(({ count }) => count > 0)
    .sort((one, other) => other.count - one.count)
    .slice(0, limit)

const causesOf = ({ promise }: BurnAlert, sums: Float64Array): Share[] =>
  promise === 'latency'
    ? [{ name: 'slow', count: sums[SLOW_AT] as number }]
    : VERDICTS.flatMap((name, at) => (kindOf(at) === 'bad' ? [{ name, count: sums[at] as number }] : []))

/** @param thresholdMs null for those that were bad, else for those that were later than this, as latencies are known: within 1 % */
const badOf = (sums: Float64Array, thresholdMs: number | null): number => {
  let count = 0
  if (thresholdMs === null) {
    for (const at of VERDICTS.keys()) if (kindOf(at) === 'bad') count += sums[at] as number
  } else {
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++)
      if (latencyOf(bucket) > thresholdMs) count += sums[LATENCIES_AT + bucket] as number
  }
  return count
}

/** What routes name, or what requests to them have by their method. */
const operationsOf = (objective: string, { routes, operations }: CompiledPolicy['policy']): readonly string[] => {
  const promised = Object.values(routes).filter(({ slo }) => slo === objective)
  const named = new Set(
    promised.flatMap(({ operation }) => (operation === undefined ? ['read', 'write'] : [operation])),
  )
  return Object.keys(operations).filter((name) => named.has(name))
}
