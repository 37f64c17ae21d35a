import type { PurgeResult } from './cdn-provider.ts'

const TIMEOUT_MS = 10_000
const SHOWN_CHARACTERS = 300
const LONGEST_PAUSE_MS = 3_600_000

export interface CdnCall {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/**
 * One POST to a CDN. What may be otherwise later (no connection, 429, 5xx, and 401 and 403: credentials rotate) is tried again.
 *
 * @param isDone whether a reply of 2xx means that it was done
 */
export const callCdn = async (
  { url, headers, body }: CdnCall,
  isDone: (text: string) => boolean = () => true,
): Promise<PurgeResult> => {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const reply = await fetch(url, {
      method: 'POST',
      headers,
      redirect: 'error',
      signal,
      ...(body !== undefined && { body }),
    })
    const text = await reply.text()
    if (reply.ok && isDone(text)) return { kind: 'done' }
    const error = `${reply.status} ${text.trim().slice(0, SHOWN_CHARACTERS).replace(/\s+/g, ' ')}`.trim()
    const { status } = reply
    if (status >= 500 || status === 429 || status === 401 || status === 403 || status === 408) {
      return { kind: 'again', error, afterMs: pauseMs(reply.headers.get('retry-after')) }
    }
    return { kind: 'refused', error }
  } catch (error) {
    const { message, cause } = error as Error
    return { kind: 'again', error: cause instanceof Error ? `${message}: ${cause.message}` : message }
  }
}

/** `Retry-After` in seconds or as a date (RFC 9110 §10.2.3). */
const pauseMs = (value: string | null): number | undefined => {
  if (value === null) return undefined
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_PAUSE_MS)
}
