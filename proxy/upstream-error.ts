import { errors } from 'undici'
import { type Refusal, refusal } from './refusal.ts'

/** Marks a connection's error with how much it had read before: on a used one, a reset may be a race. */
const bytesReadBefore = new WeakMap<Error, number>()

export const noteBytesRead = (error: Error, bytesRead: number): void => {
  bytesReadBefore.set(error, bytesRead)
}

const code = (error: Error): string | undefined =>
  'code' in error && typeof error.code === 'string' ? error.code : undefined

const CONNECTION_LOST = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/**
 * Whether the upstream closed a kept-alive connection as we were sending on it: it answered on this connection before,
 * and not a byte of this reply has come. A connection lost on its first request is no race, but an upstream that
 * cannot bear the request.
 */
export const isReuseRace = (error: Error): boolean => {
  if (!CONNECTION_LOST.has(code(error) ?? '')) return false
  const bytesRead = error instanceof errors.SocketError ? error.socket?.bytesRead : bytesReadBefore.get(error)
  return (bytesRead ?? 0) > 0
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
const TIMED_OUT = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'])

/** What the client is told of a failed round trip; the error itself is for the log. */
export const upstreamRefusal = (error: Error): Refusal => {
  // Several addresses tried (Happy Eyeballs): the first failure speaks for all.
  const failure = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error
  const failureCode = code(failure) ?? ''
  if (TIMED_OUT.has(failureCode)) return refusal('upstream-timeout', failure.message, error)
  if (UNREACHABLE.has(failureCode)) return refusal('upstream-unreachable', failure.message, error)
  return refusal('upstream-failed', failure.message, error)
}
