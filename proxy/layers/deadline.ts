import { DEADLINE_FIELD, parseDeadlineMs } from '#shared/deadline.ts'
import { deadlineOf } from '../deadline.ts'
import { DeadlineList } from '../deadline-list.ts'
import type { Exchange } from '../exchange.ts'
import { fieldValue, soleFieldValue } from '../headers.ts'
import { type Layer, PASS } from '../layer.ts'
import { type Refusal, refusal } from '../refusal.ts'
import type { ReplyHead } from '../reply.ts'

/**
 * Ends exchanges that take longer in all than their operation may, or than the caller waits: the work, and not only the
 * wait for it. A stream has no such limit: once its head has come, what counts is that it goes on.
 */
export const deadline = (): Layer => {
  const deadlines = new DeadlineList<Exchange>((exchange) => exchange.expire(lateness(exchange)))
  return {
    name: 'deadline',
    admit(exchange) {
      const { totalTimeoutMs } = exchange.operation
      const callersMs = callersDeadlineMs(exchange)
      if (totalTimeoutMs === undefined && callersMs === undefined) return PASS
      const { firstByteAtMs, startedAtMs } = exchange
      const { atMs, isCallers } = deadlineOf({
        firstByteAtMs,
        headAtMs: startedAtMs,
        totalMs: totalTimeoutMs,
        callersMs,
      })
      exchange.deadlineAtMs = atMs
      exchange.isDeadlineCallers = isCallers
      if (atMs <= performance.now()) return refusal(kindOf(exchange), 'it had passed before the app was asked')
      deadlines.add(exchange)
      return PASS
    },
    onReply(exchange, head) {
      if (exchange.deadlineAtMs === 0 || !isStream(head)) return
      deadlines.delete(exchange)
      exchange.deadlineAtMs = 0
    },
    onFinish(exchange) {
      deadlines.delete(exchange)
    },
  }
}

/** A peer that is not trusted cannot say how long it waits; nor can one that says it twice. */
const callersDeadlineMs = ({ policy: { trust }, peer, request }: Exchange): number | undefined => {
  if (trust === undefined) return undefined
  const said = parseDeadlineMs(soleFieldValue(request.rawHeaders, DEADLINE_FIELD))
  return said !== undefined && peer.ip !== undefined && trust.ranges.has(peer.ip) ? said : undefined
}

/** Server-sent events, and what is no HTTP any more. */
const isStream = ({ status, headers }: ReplyHead): boolean =>
  status === 101 || fieldValue(headers, 'content-type')?.toLowerCase().startsWith('text/event-stream') === true

const kindOf = ({ isDeadlineCallers }: Exchange) => (isDeadlineCallers ? 'callers-deadline' : 'deadline')

/** While the client still owes us of its request, it is the client that is late. */
const lateness = (exchange: Exchange): Refusal => {
  const { uploadStalledSinceMs, isDeadlineCallers, operation } = exchange
  const whose = isDeadlineCallers ? 'the caller’s deadline' : `the deadline of operation "${operation.name}"`
  return uploadStalledSinceMs === 0
    ? refusal(kindOf(exchange), `not over by ${whose}`)
    : refusal('request-timeout', `not sent whole by ${whose}`)
}
