import { DEADLINE_FIELD, parseDeadlineMs } from '#shared/deadline.ts'
import { deadlineOf } from '../deadline.ts'
import { DeadlineList } from '../deadline-list.ts'
import type { Exchange } from '../exchange.ts'
import { soleFieldValue } from '../headers.ts'
import { lateness } from '../lateness.ts'
import { type Layer, PASS } from '../layer.ts'

/**
 * Ends exchanges that take longer in all than their operation may, or than the caller waits: the work, and not only the
 * wait for it. A stream has no such limit: once its head has come, what counts is that it goes on.
 */
export const deadline = (): Layer => {
  const deadlines = new DeadlineList<Exchange>((exchange) => exchange.expire(lateness(exchange, performance.now())))
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
      const nowMs = performance.now()
      if (atMs <= nowMs) return lateness(exchange, nowMs)
      deadlines.add(exchange)
      return PASS
    },
    onReply(exchange) {
      if (exchange.deadlineAtMs === 0 || !exchange.isStream) return
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
