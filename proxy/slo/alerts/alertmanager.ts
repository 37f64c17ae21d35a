import { createHash } from 'node:crypto'
import { severityOf, windowText } from '../burn-alerts.ts'
import type { Notification } from './alert-outbox.ts'
import type { AlertPlace } from './alert-place.ts'
import { alertTexts } from './alert-texts.ts'

/** As Alertmanager says that something has not ended. */
const NOT_YET = '0001-01-01T00:00:00Z'

/**
 * What Alertmanager sends to webhooks, version 4 (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config), of one alert.
 *
 * What comes twice has the same `fingerprint`, `status` and `startsAt`.
 */
export const alertmanagerPayload = (notification: Notification, { service, dashboard }: AlertPlace) => {
  const { kind, alert, atMs } = notification
  const labels = {
    alertname: 'SidegateBurnRate',
    service,
    objective: alert.objective,
    promise: alert.promise,
    severity: severityOf(alert),
    window: `${windowText(alert.longSeconds)}/${windowText(alert.shortSeconds)}`,
    factor: String(alert.factor),
  }
  const annotations = { ...alertTexts(notification), ...(dashboard !== undefined && { dashboard }) }
  const status = kind === 'fires' ? 'firing' : 'resolved'
  const { alertname, objective, promise, window, factor } = labels
  const groupLabels = { alertname, service, objective, promise, window, factor }
  const matchers = Object.entries(groupLabels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return {
    version: '4',
    groupKey: `{}:{${matchers.join(', ')}}`,
    truncatedAlerts: 0,
    status,
    receiver: 'sidegate',
    groupLabels,
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: dashboard ?? '',
    alerts: [
      {
        status,
        labels,
        annotations,
        startsAt: new Date(alert.sinceMs).toISOString(),
        endsAt: kind === 'fires' ? NOT_YET : new Date(atMs).toISOString(),
        generatorURL: dashboard ?? '',
        fingerprint: createHash('sha256').update(matchers.join()).digest('hex').slice(0, 16),
      },
    ],
  }
}
