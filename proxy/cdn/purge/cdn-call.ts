import { type PostCall, post } from '../../post.ts'
import type { PurgeResult } from './cdn-provider.ts'

const TIMEOUT_MS = 10_000
const SHOWN_CHARACTERS = 300

/**
 * One POST to a CDN. What may be otherwise later (no connection, 429, 5xx, and 401 and 403: credentials rotate) is tried again.
 *
 * @param isDone whether a reply of 2xx means that it was done
 */
export const callCdn = async (call: PostCall, isDone: (text: string) => boolean = () => true): Promise<PurgeResult> => {
  const said = await post(call, TIMEOUT_MS)
  if (said.status === undefined) return { kind: 'again', error: said.error }
  const { status, text, afterMs } = said
  if (status >= 200 && status < 300 && isDone(text)) return { kind: 'done' }
  const error = `${status} ${text.trim().slice(0, SHOWN_CHARACTERS).replace(/\s+/g, ' ')}`.trim()
  return status >= 500 || status === 429 || status === 401 || status === 403 || status === 408
    ? { kind: 'again', error, afterMs }
    : { kind: 'refused', error }
}
