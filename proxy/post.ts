/** What somebody else's server has said to a POST, or why it has said nothing. */
export type PostResult =
  | { readonly status: number; readonly text: string; readonly afterMs: number | undefined }
  | { readonly status: undefined; readonly error: string }

export interface PostCall {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

const LONGEST_PAUSE_MS = 3_600_000
/** Of a reply: what a server goes on to say is not read. */
const TEXT_LIMIT_BYTES = 65_536

/** One POST, followed nowhere. Never rejects. */
export const post = async ({ url, headers, body }: PostCall, timeoutMs: number): Promise<PostResult> => {
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const init = { method: 'POST', headers, redirect: 'error', signal, ...(body !== undefined && { body }) } as const
    const reply = await fetch(url, init)
    const text = await textOf(reply)
    return { status: reply.status, text, afterMs: pauseMs(reply.headers.get('retry-after')) }
  } catch (error) {
    const { message, cause } = error as Error
    return { status: undefined, error: cause instanceof Error ? `${message}: ${cause.message}` : message }
  }
}

const textOf = async ({ body }: Response): Promise<string> => {
  if (body === null) return ''
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of body) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes >= TEXT_LIMIT_BYTES) break
  }
  return Buffer.concat(pieces).toString()
}

/** `Retry-After` in seconds or as a date (RFC 9110 §10.2.3). */
const pauseMs = (value: string | null): number | undefined => {
  if (value === null) return undefined
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_PAUSE_MS)
}
