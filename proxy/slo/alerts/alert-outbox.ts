import { createHash } from 'node:crypto'
import { type AlertChange, alertKey, type FiringAlert } from '../burn-alerts.ts'
import type { AlertFacts } from './alert-facts.ts'

/** A webhook that is to be told something. */
interface Delivery {
  /** {@link webhookId}: the policy has its URL, which is a secret. */
  readonly webhook: string
  readonly attempts: number
  /** By the wall clock. */
  readonly dueAtMs: number
}

/** What has changed, with what was known of it then. */
export interface Notification extends AlertChange {
  readonly atMs: number
  readonly facts: AlertFacts
  /** Those that have not accepted it. */
  readonly deliveries: readonly Delivery[]
}

/** What the leader of the fleet knows, and whoever leads next. */
export interface AlertState {
  readonly firing: readonly FiringAlert[]
  /** The oldest first. */
  readonly notifications: readonly Notification[]
}

export const NO_ALERTS: AlertState = { firing: [], notifications: [] }

/** What has become of one delivery: it is over, accepted or given up, or is tried again. */
export interface DeliveryResult {
  readonly notification: string
  readonly webhook: string
  /** undefined where it is over. */
  readonly dueAtMs: number | undefined
}

/** Webhooks that take nothing while alerts come and go must not fill Redis. */
const NOTIFICATIONS_LIMIT = 100

/** By which notifications know a webhook, whose URL must not be seen everywhere. */
export const webhookId = ({ kind, url }: { readonly kind: string; readonly url: string }): string =>
  createHash('sha256').update(`${kind} ${url}`).digest('base64url').slice(0, 16)

export const notificationKey = ({ kind, alert, atMs }: Pick<Notification, 'kind' | 'alert' | 'atMs'>): string =>
  `${kind} ${alert.sinceMs} ${atMs} ${alertKey(alert)}`

/** Adds notifications. @returns what there is then, and what there is no room for any more: the oldest */
export const queued = (
  waiting: readonly Notification[],
  more: readonly Notification[],
): { readonly notifications: readonly Notification[]; readonly dropped: readonly Notification[] } => {
  const all = [...waiting, ...more.filter(({ deliveries }) => deliveries.length > 0)]
  const first = Math.max(0, all.length - NOTIFICATIONS_LIMIT)
  return { notifications: all.slice(first), dropped: all.slice(0, first) }
}

/** What is left to be told, after some results; webhooks that the policy has no more are told nothing. */
export const settled = (
  notifications: readonly Notification[],
  results: readonly DeliveryResult[],
  webhooks: ReadonlySet<string>,
): readonly Notification[] => {
  const byDelivery = new Map(results.map((result) => [`${result.webhook} ${result.notification}`, result]))
  return notifications.flatMap((notification) => {
    const key = notificationKey(notification)
    const deliveries = notification.deliveries.flatMap((delivery) => {
      if (!webhooks.has(delivery.webhook)) return []
      const result = byDelivery.get(`${delivery.webhook} ${key}`)
      if (result === undefined) return [delivery]
      return result.dueAtMs === undefined
        ? []
        : [{ ...delivery, attempts: delivery.attempts + 1, dueAtMs: result.dueAtMs }]
    })
    return deliveries.length === 0 ? [] : [{ ...notification, deliveries }]
  })
}

/** What a webhook is to be told now: of each alert, one thing after the other. */
export const dueFor = (
  webhook: string,
  notifications: readonly Notification[],
  nowMs: number,
): { readonly notification: Notification; readonly attempts: number }[] => {
  const held = new Set<string>()
  return notifications.flatMap((notification) => {
    const delivery = notification.deliveries.find((one) => one.webhook === webhook)
    const key = alertKey(notification.alert)
    if (delivery === undefined || held.has(key)) return []
    if (delivery.dueAtMs > nowMs) {
      held.add(key)
      return []
    }
    return [{ notification, attempts: delivery.attempts }]
  })
}
