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
 *     deadline           the app, whose turn it is, and to which at least half of the operation's total was left
 *     request-timeout    the client, which owes us of its request or leaves the reply unread, or took more of the time than our queue
 *     callers-deadline   nobody: the caller left less time than that
 *     queue-deadline     our queue
 *
 * A client cannot make a healthy app look late by being slow itself: while it is the client that is waited for, the app is
 * not late, and of a request that takes the app less than half of its total, no client can make a failure. Nor can an app
 * that hangs hide behind clients that take a while: it is the app's turn then.
 */
export const lateness = (exchange: Timed, nowMs: number): Refusal => {
  passTurn(exchange, exchange.turn, nowMs)
  const { turn, clientsMs, ownMs, isDeadlineCallers, operation } = exchange
  const whose = isDeadlineCallers ? 'the caller’s deadline' : `the deadline of operation "${operation.name}"`
  if (turn === 'app' && hadTime(exchange)) return refusal('deadline', `not over by ${whose}`)
  if (exchange.uploadStalledSinceMs !== 0) return refusal('request-timeout', `not sent whole by ${whose}`)
  if (isDeadlineCallers) return refusal('callers-deadline', `not over by ${whose}`)
  return turn === 'client' || clientsMs >= ownMs
    ? refusal('request-timeout', `not over by ${whose}, of which the client took ${Math.round(clientsMs)} ms`)
    : refusal('queue-deadline', `not over by ${whose}, of which the queue took ${Math.round(ownMs)} ms`)
}

/**
 * An app that knows its deadline answers 504 itself, shortly before it, or at once where it cannot make it.
 *
 * @returns who would have been late, where the app had not been left enough time: the 504 is no failure of its then
 */
export const excuseOf504 = (exchange: Timed, nowMs: number): Refusal | undefined => {
  if (exchange.deadlineAtMs === 0) return undefined
  const late = lateness(exchange, nowMs)
  return hadTime(exchange) ? undefined : late
}

/** Whether of the time until its deadline others have left the app at least half of what its operation may take in all. */
const hadTime = ({ firstByteAtMs, deadlineAtMs, clientsMs, ownMs, operation }: Timed): boolean =>
  deadlineAtMs - firstByteAtMs - clientsMs - ownMs >= (operation.totalTimeoutMs ?? Number.POSITIVE_INFINITY) / 2
