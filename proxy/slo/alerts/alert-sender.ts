import { post } from '../../post.ts'
import type { Policy } from '../../state/policy/schema.ts'
import type { Notification } from './alert-outbox.ts'
import type { AlertPlace } from './alert-place.ts'
import { alertmanagerPayload } from './alertmanager.ts'
import { slackPayload } from './slack.ts'

export type Webhook = Policy['alerts']['webhooks'][number]

/**
 * - `accepted`
 * - `again`    it may accept it later
 * - `refused`  it never will
 */
export type SendResult =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'again'; readonly error: string; readonly afterMs: number | undefined }
  | { readonly kind: 'refused'; readonly error: string }

const TIMEOUT_MS = 5_000
const PAYLOADS = { alertmanager: alertmanagerPayload, slack: slackPayload } as const

/** Tells a webhook. Never rejects; nothing that it gives has the URL's path in it, by which anyone could write there. */
export const sendAlert = async (
  { kind, url }: Webhook,
  notification: Notification,
  place: AlertPlace,
): Promise<SendResult> => {
  const headers = { 'Content-Type': 'application/json' }
  const said = await post({ url, headers, body: JSON.stringify(PAYLOADS[kind](notification, place)) }, TIMEOUT_MS)
  if (said.status === undefined) return { kind: 'again', error: said.error, afterMs: undefined }
  const { status, text, afterMs } = said
  if (status >= 200 && status < 300) return { kind: 'accepted' }
  // Slack says in a word what is wrong; a page of another server may say what was asked for.
  const word = /^[a-z_]{1,40}$/.exec(text.trim())?.[0]
  const error = word === undefined || url.includes(word) ? String(status) : `${status} ${word}`
  return status >= 400 && status < 500 && status !== 408 && status !== 429
    ? { kind: 'refused', error }
    : { kind: 'again', error, afterMs }
}
