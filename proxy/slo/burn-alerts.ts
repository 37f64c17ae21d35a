import type { BurnRate, ObjectiveReport } from './slo-report.ts'

/**
 * Whether an alert fires, for each promise of an objective and each burn rate of the policy:
 *
 *     silent ──both windows exceed the factor, and have events enough──▶ firing
 *     firing ──one of them does not exceed 0.9 × the factor, or has too few, at two looks in a row──▶ silent
 *     firing ──the policy has no such promise or burn rate any more──▶ silent
 */
export interface BurnAlert {
  readonly objective: string
  readonly promise: 'availability' | 'latency'
  readonly factor: number
  readonly longSeconds: number
  readonly shortSeconds: number
}

export interface FiringAlert extends BurnAlert {
  readonly sinceMs: number
}

export interface AlertChange {
  readonly kind: 'fires' | 'resolved'
  readonly alert: FiringAlert
}

/** Of its factor: what burns about as fast as that, now a little more and now a little less, does not tell each time. */
const RESOLVES_AT = 0.9

/** The same for the same alert, whenever it fires. */
export const alertKey = ({ objective, promise, factor, longSeconds, shortSeconds }: BurnAlert): string =>
  `${objective} ${promise} ${factor} ${longSeconds} ${shortSeconds}`

/**
 * What fires from now on, in the policy's order, and what has changed: what is over comes first.
 *
 * @param firing what has fired so far
 * @param doubted of it, what the last look found over: who has just begun to lead may know less than there is, and doubts for one look
 * @param minimumEvents in a window, for it to count
 * @param nowMs of the wall clock
 */
export const judgeAlerts = (
  reports: readonly ObjectiveReport[],
  minimumEvents: number,
  firing: readonly FiringAlert[],
  doubted: ReadonlySet<string>,
  nowMs: number,
): {
  readonly firing: readonly FiringAlert[]
  readonly changes: readonly AlertChange[]
  readonly doubted: ReadonlySet<string>
} => {
  const before = new Map(firing.map((alert) => [alertKey(alert), alert]))
  const after = new Map<string, FiringAlert>()
  const began: AlertChange[] = []
  const doubtedNow = new Set<string>()
  for (const { alert, rate } of rates(reports)) {
    const key = alertKey(alert)
    const known = before.get(key)
    if (after.has(key)) continue // the policy says it twice
    if (known !== undefined) {
      const isOver = !holds(rate, minimumEvents)
      if (isOver && doubted.has(key)) continue
      after.set(key, known)
      if (isOver) doubtedNow.add(key)
    } else if (rate.isExceeded) {
      const fires = { ...alert, sinceMs: nowMs }
      after.set(key, fires)
      began.push({ kind: 'fires', alert: fires })
    }
  }
  const over = firing.filter((alert) => !after.has(alertKey(alert)))
  const ended = over.map((alert): AlertChange => ({ kind: 'resolved', alert }))
  return { firing: [...after.values()], changes: [...ended, ...began], doubted: doubtedNow }
}

/** Of an alert, how its windows are; undefined where the policy has no more of it. */
export const burnRateOf = (reports: readonly ObjectiveReport[], alert: BurnAlert): BurnRate | undefined => {
  const key = alertKey(alert)
  return rates(reports).find((one) => alertKey(one.alert) === key)?.rate
}

const rates = (reports: readonly ObjectiveReport[]): { readonly alert: BurnAlert; readonly rate: BurnRate }[] =>
  reports.flatMap(({ name: objective, availability, latency }) => {
    const of = (promise: BurnAlert['promise'], burnRates: readonly BurnRate[]) =>
      burnRates.map((rate) => {
        const { factor, long, short } = rate
        const windows = { longSeconds: long.windowSeconds, shortSeconds: short.windowSeconds }
        return { alert: { objective, promise, factor, ...windows }, rate }
      })
    return [...of('availability', availability.burnRates), ...of('latency', latency?.burnRates ?? [])]
  })

const holds = ({ factor, long, short }: BurnRate, minimumEvents: number): boolean =>
  [long, short].every(({ events, burn }) => events >= minimumEvents && (burn ?? 0) > RESOLVES_AT * factor)

/** From this factor on somebody is to be woken. */
const PAGED_FROM = 6

export const severityOf = ({ factor }: Pick<BurnAlert, 'factor'>): 'page' | 'ticket' =>
  factor >= PAGED_FROM ? 'page' : 'ticket'

const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'm'],
] as const

/** As in `6h`, which Prometheus reads, too. */
export const windowText = (seconds: number): string => {
  const [size, unit] = UNITS.find(([length]) => seconds % length === 0) ?? [1, 's']
  return `${seconds / size}${unit}`
}
