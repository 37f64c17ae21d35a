import type { Exchange } from './exchange.ts'
import { type Refusal, refusal } from './refusal.ts'
import { passTurn, type Turns } from './turns.ts'

/** What must be known of an exchange to tell who is late; all times are monotonic. */
export interface Timed
  extends Turns,
    Pick<Exchange, 'firstByteAtMs' | 'deadlineAtMs' | 'isDeadlineCallers' | 'uploadStalledSinceMs'> {
  readonly operation: Pick<Exchange['operation'], 'name' | 'totalTimeoutMs'>
}

/**
 * Who is late where an exchange does not end by its deadline: everything that asks whose fault it was goes by this.
 *
 *     deadline           the app, which had or was left at least half of what its operation may take in all
 *     request-timeout    the client, which still owes us of its request, or took more of the time than our queue
 *     callers-deadline   nobody: the caller left less time than that
 *     queue-deadline     our queue
 *
 * Half, so that a client cannot make a healthy app look late by being slow itself, nor a hung app hide behind clients
 * that take a while: of a request that takes the app less than half of its total, no client can make a failure.
 */
export const lateness = (exchange: Timed, nowMs: number): Refusal => {
  passTurn(exchange, exchange.turn, nowMs)
  const { clientsMs, ownMs, isDeadlineCallers, operation } = exchange
  const whose = isDeadlineCallers ? 'the caller’s deadline' : `the deadline of operation "${operation.name}"`
  if (appsMs(exchange) >= (operation.totalTimeoutMs ?? Number.POSITIVE_INFINITY) / 2) {
    return refusal('deadline', `not over by ${whose}`)
  }
  if (exchange.uploadStalledSinceMs !== 0) return refusal('request-timeout', `not sent whole by ${whose}`)
  if (isDeadlineCallers) return refusal('callers-deadline', `not over by ${whose}`)
  return clientsMs >= ownMs
    ? refusal('request-timeout', `not over by ${whose}, of which the client took ${Math.round(clientsMs)} ms`)
    : refusal('queue-deadline', `not over by ${whose}, of which the queue took ${Math.round(ownMs)} ms`)
}

/**
 * An app that knows its deadline answers 504 itself, shortly before it, or at once where it cannot make it.
 *
 * @returns who would have been late, where that is not the app: the 504 is no failure of its then
 */
export const excuseOf504 = (exchange: Timed, nowMs: number): Refusal | undefined => {
  if (exchange.deadlineAtMs === 0) return undefined
  const late = lateness(exchange, nowMs)
  return late.text.fault === 'app' ? undefined : late
}

/** What of the time until its deadline is the app's: what it has had, and what is left. */
const appsMs = ({ firstByteAtMs, deadlineAtMs, clientsMs, ownMs }: Timed): number =>
  deadlineAtMs - firstByteAtMs - clientsMs - ownMs
