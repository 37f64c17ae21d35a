import type { Policy } from '../../state/policy/schema.ts'
import type { BurnAlert } from '../burn-alerts.ts'
import { type AlertState, webhookId } from './alert-outbox.ts'

/** What an operator is told of alerts: nothing of a webhook but its kind and host. */
export interface AlertReport {
  readonly alerts: readonly (BurnAlert & { readonly since: string })[]
  /** That have not been accepted. */
  readonly notifications: readonly WaitingNotification[]
}

interface WaitingNotification extends BurnAlert {
  readonly change: 'fires' | 'resolved'
  readonly at: string
  readonly webhook: { readonly kind: Policy['alerts']['webhooks'][number]['kind']; readonly host: string }
  readonly attempts: number
  /** When it is tried next. */
  readonly dueAt: string
}

const time = (ms: number): string => new Date(ms).toISOString()

export const alertReport = (
  { firing, notifications }: AlertState,
  webhooks: Policy['alerts']['webhooks'],
): AlertReport => {
  const byId = new Map(webhooks.map((webhook) => [webhookId(webhook), webhook]))
  return {
    alerts: firing.map(({ sinceMs, ...alert }) => ({ ...alert, since: time(sinceMs) })),
    notifications: notifications.flatMap(({ kind: change, alert: { sinceMs, ...alert }, atMs, deliveries }) =>
      deliveries.flatMap(({ webhook: id, attempts, dueAtMs }) => {
        const found = byId.get(id)
        if (found === undefined) return []
        const webhook = { kind: found.kind, host: new URL(found.url).host }
        return [{ ...alert, change, at: time(atMs), webhook, attempts, dueAt: time(dueAtMs) }]
      }),
    ),
  }
}
