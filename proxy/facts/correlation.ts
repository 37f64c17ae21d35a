import { continueTrace, isRequestId, mintRequestId, type TraceContext } from '#shared/correlation.ts'

/** How this exchange is found again: in the reply, in each process's log, in the app's jobs. */
export interface Correlation {
  readonly requestId: string
  /** An X-Request-ID that was not accepted; kept for the log alone. */
  readonly clientRequestId?: string
  readonly trace: TraceContext
}

/** Long enough to recognise what a client sent, short enough not to fill the log. */
const REJECTED_ID_LOG_LENGTH = 200

export const correlation = (rawHeaders: readonly string[]): Correlation => {
  let offered: string | undefined
  let traceparent: string | undefined
  let traceparents = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 12 && name.toLowerCase() === 'x-request-id') {
      // Two IDs are none: which of them the next reader takes is anyone's guess.
      offered = offered === undefined ? (rawHeaders[index + 1] as string) : `${offered}, ${rawHeaders[index + 1]}`
    } else if (name.length === 11 && name.toLowerCase() === 'traceparent') {
      traceparent = rawHeaders[index + 1]
      traceparents++
    }
  }
  const trace = continueTrace(traceparents === 1 ? traceparent : undefined)
  if (offered === undefined) return { requestId: mintRequestId(), trace }
  if (isRequestId(offered)) return { requestId: offered, trace }
  return { requestId: mintRequestId(), clientRequestId: offered.slice(0, REJECTED_ID_LOG_LENGTH), trace }
}
