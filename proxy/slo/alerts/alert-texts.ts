import { windowText } from '../burn-alerts.ts'
import type { Notification } from './alert-outbox.ts'

/** What a notification says to people; each text by itself, in one line. */
export interface AlertTexts {
  readonly summary: string
  readonly description: string
  /** `upstream 12, timeout 3`; empty where nothing was bad in the short window. So are the next two. */
  readonly causes: string
  readonly operations: string
  /** Correlation IDs, with spaces between. */
  readonly examples: string
}

export const alertTexts = ({ kind, alert, facts }: Pick<Notification, 'kind' | 'alert' | 'facts'>): AlertTexts => {
  const { objective, promise, factor, longSeconds, shortSeconds } = alert
  const { longBurn, shortBurn, budgetLeft, target, thresholdMs, causes, operations, examples } = facts
  const promised =
    target === null
      ? 'No longer promised.'
      : thresholdMs === null
        ? `Promised: ${percent(target)} answered well.`
        : `Promised: ${percent(target)} within ${thresholdMs} ms.`
  const burns = `The error budget burns ${times(longBurn)} over ${windowText(longSeconds)} and ${times(shortBurn)} over ${windowText(shortSeconds)} (alert above ${factor}×).`
  const left = budgetLeft === null ? '' : ` Budget left: ${percent(budgetLeft)}.`
  const list = (shares: typeof causes) => shares.map(({ name, count }) => `${name} ${count}`).join(', ')
  return {
    summary:
      kind === 'fires'
        ? `${objective}: the ${promise} budget burns more than ${factor} times too fast`
        : `${objective}: the ${promise} budget no longer burns ${factor} times too fast`,
    description: `${promised} ${burns}${left}`,
    causes: list(causes),
    operations: list(operations),
    examples: examples.join(' '),
  }
}

const times = (burn: number | null): string => (burn === null ? 'at no rate (no data)' : `${round(burn)}×`)

const percent = (share: number): string => `${round(share * 100)} %`

/** To four digits that count, without zeros that say nothing; 99.999 stays what it is. */
const round = (value: number): string =>
  String(Number(value.toFixed(Math.abs(value) >= 90 && Math.abs(value) <= 100 ? 3 : 2)))
