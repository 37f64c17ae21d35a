import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 100
const REPLY_TIMEOUT_MS = 1_000

/**
 * Resolves once `url` replies with a status of success.
 *
 * @throws the reason of `signal` when that is aborted; an Error with the last reply when the time has passed
 */
export const waitUntilReady = async (url: string, timeoutMs: number, signal: AbortSignal): Promise<void> => {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const problem = await whyNotReady(url, signal)
    signal.throwIfAborted()
    if (problem === undefined) return
    if (performance.now() > deadlineMs) throw new Error(`not ready within ${timeoutMs} ms: ${url} ${problem}`)
    await delay(POLL_MS)
  }
}

const whyNotReady = async (url: string, signal: AbortSignal): Promise<string | undefined> => {
  try {
    const reply = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(REPLY_TIMEOUT_MS)]) })
    const body = await reply.text()
    return reply.ok ? undefined : `replied ${reply.status} ${body.slice(0, 500)}`
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    return `gave no reply (${cause instanceof Error ? cause.message : String(cause)})`
  }
}
