import { MalformedMessage } from '../http1/malformed.ts'
import { type Refusal, refusal } from '../refusal.ts'

/** The app took longer over something than it may. */
export class UpstreamTimeout extends Error {
  override readonly name = 'UpstreamTimeout'
}

/** No connection was to be had. */
export class UpstreamBusy extends Error {
  override readonly name = 'UpstreamBusy'
}

/** The connection ended before the reply did. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EACCES',
])

/** What the client is told of a failed round trip; the error itself is for the log. */
export const upstreamRefusal = (error: Error): Refusal => {
  // Several addresses tried (Happy Eyeballs): the first failure speaks for all.
  const failure = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error
  if (failure instanceof UpstreamBusy) return refusal('upstream-busy', failure.message)
  if (failure instanceof UpstreamTimeout) return refusal('upstream-timeout', failure.message)
  if (failure instanceof MalformedMessage) return refusal('upstream-failed', failure.message)
  const code = 'code' in failure && typeof failure.code === 'string' ? failure.code : ''
  if (code === 'ETIMEDOUT') return refusal('upstream-timeout', failure.message, error)
  return refusal(UNREACHABLE.has(code) ? 'upstream-unreachable' : 'upstream-failed', failure.message, error)
}
