import { kindOf, VERDICTS } from '../../proxy/slo/verdict.ts'
import type { Policy } from '../../proxy/state/policy/schema.ts'

interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly interval: string; readonly rules: readonly Rule[] }[]
}

type PromiseKind = 'availability' | 'latency'

const DAY_SECONDS = 86_400
/** From this factor on somebody is woken. As `proxy/slo/alerts/` has it. */
const PAGE_FACTOR = 6

/**
 * The objectives of a policy as rules for Prometheus, out of the proxy's own counters: a share for each window, and an alert for each burn rate that both of
 * its windows exceed with events enough.
 */
export const sloRules = ({ slo, alerts }: Pick<Policy, 'slo' | 'alerts'>): RuleFile => ({
  groups: Object.entries(slo.objectives).map(([objective, { availability, latency, windowDays }]) => {
    const promises: (readonly [PromiseKind, number])[] = [
      ['availability', availability],
      ...(latency === undefined ? [] : [['latency', latency.share] as const]),
    ]
    const windows = new Set(alerts.burnRates.flatMap(({ longSeconds, shortSeconds }) => [shortSeconds, longSeconds]))
    windows.add(windowDays * DAY_SECONDS)
    return {
      name: `sidegate-slo-${objective}`,
      interval: '30s',
      rules: promises.flatMap(([promise, target]) => [
        ...[...windows].sort((one, other) => one - other).flatMap((seconds) => recordings(objective, promise, seconds)),
        ...alerts.burnRates.map((rate) => alertOf(objective, promise, target, rate, alerts.minimumEvents)),
      ]),
    }
  }),
})

const EVENTS = 'sidegate:slo_events:increase'
const BAD_SHARE = 'sidegate:slo_bad:ratio'

const recordings = (objective: string, promise: PromiseKind, seconds: number): Rule[] => {
  const labels = { objective, promise }
  const window = durationOf(seconds)
  const sum = (verdicts: readonly string[]) =>
    `sum(increase(sidegate_objective_exchanges_total{objective="${objective}",verdict=~"${verdicts.join('|')}"}[${window}]))`
  const good = verdictsOf('good')
  const [events, bad] =
    promise === 'availability' ? [[...good, ...verdictsOf('bad')], verdictsOf('bad')] : [good, ['slow']]
  return [
    { record: `${EVENTS}${window}`, expr: sum(events), labels },
    { record: `${BAD_SHARE}${window}`, expr: `${sum(bad)} / (${sum(events)} > 0)`, labels },
  ]
}

const alertOf = (
  objective: string,
  promise: PromiseKind,
  target: number,
  { factor, longSeconds, shortSeconds }: Policy['alerts']['burnRates'][number],
  minimumEvents: number,
): Rule => {
  const select = `{objective="${objective}",promise="${promise}"}`
  const most = Number((factor * (1 - target)).toPrecision(12))
  const exceeds = (seconds: number) => {
    const window = durationOf(seconds)
    return `${BAD_SHARE}${window}${select} > ${most} and ${EVENTS}${window}${select} >= ${minimumEvents}`
  }
  const [long, short] = [durationOf(longSeconds), durationOf(shortSeconds)]
  return {
    alert: 'SidegateBurnRate',
    expr: `${exceeds(longSeconds)} and ${exceeds(shortSeconds)}`,
    labels: { objective, promise, factor: String(factor), severity: factor >= PAGE_FACTOR ? 'page' : 'ticket' },
    annotations: {
      summary: `${objective} burns its budget of ${promise} more than ${factor} times too fast (${long} and ${short})`,
      description: `In the last ${long}, {{ $value | humanizePercentage }} of the exchanges were not as promised.`,
    },
  }
}

const verdictsOf = (kind: 'good' | 'bad'): string[] => VERDICTS.filter((_, at) => kindOf(at) === kind)

/** As Prometheus writes it: in the largest unit that it is a whole number of. */
const durationOf = (seconds: number): string => {
  for (const [unit, length] of [
    ['d', DAY_SECONDS],
    ['h', 3_600],
    ['m', 60],
  ] as const) {
    if (seconds % length === 0) return `${seconds / length}${unit}`
  }
  return `${seconds}s`
}
