import { severityOf, windowText } from '../../proxy/slo/burn-alerts.ts'
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
  const window = windowText(seconds)
  const increase = (counter: string) => `sum(increase(${counter}[${window}]))`
  const exchanges = (verdicts: readonly string[]) =>
    increase(`sidegate_objective_exchanges_total{objective="${objective}",verdict=~"${verdicts.join('|')}"}`)
  const [good, failed] = [verdictsOf('good'), verdictsOf('bad')]
  const [events, bad] =
    promise === 'availability'
      ? [exchanges([...good, ...failed]), exchanges(failed)]
      : [exchanges(good), increase(`sidegate_objective_slow_total{objective="${objective}"}`)]
  return [
    { record: `${EVENTS}${window}`, expr: events, labels },
    { record: `${BAD_SHARE}${window}`, expr: `${bad} / (${events} > 0)`, labels },
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
    const window = windowText(seconds)
    return `${BAD_SHARE}${window}${select} > ${most} and ${EVENTS}${window}${select} >= ${minimumEvents}`
  }
  const [long, short] = [windowText(longSeconds), windowText(shortSeconds)]
  return {
    alert: 'SidegateBurnRate',
    expr: `${exceeds(longSeconds)} and ${exceeds(shortSeconds)}`,
    labels: { objective, promise, factor: String(factor), severity: severityOf({ factor }) },
    annotations: {
      summary: `${objective} burns its budget of ${promise} more than ${factor} times too fast (${long} and ${short})`,
      description: `In the last ${long}, {{ $value | humanizePercentage }} of the exchanges were not as promised.`,
    },
  }
}

const verdictsOf = (kind: 'good' | 'bad'): string[] => VERDICTS.filter((_, at) => kindOf(at) === kind)
