import type { Logger } from '#shared/log.ts'
import type { Exchange } from '../exchange.ts'
import type { Layer } from '../layer.ts'

/**
 * Logs each exchange that took longer than its operation's `slowMs`, with where the time went. Of a stream, whose body
 * takes as long as it takes, the time to the head of the reply counts; so it does where there is no deadline, unless the
 * app has not brought the reply to its end.
 *
 * @param upstream the app's address
 */
export const slowLog = (log: Logger, upstream: string): Layer => ({
  name: 'slow-log',
  onFinish(exchange, { durationMs, refusal, status }) {
    const { operation, replyAtMs, startedAtMs } = exchange
    if (operation.slowMs === 0 || durationMs < operation.slowMs) return
    const hasHung = refusal !== undefined && refusal.text.fault !== 'client'
    const isLongByRight = replyAtMs !== 0 && (exchange.isStream || (exchange.deadlineAtMs === 0 && !hasHung))
    if (isLongByRight && replyAtMs - startedAtMs < operation.slowMs) return
    log.warn(
      {
        correlationId: exchange.correlation.requestId,
        traceId: exchange.correlation.trace.traceId,
        method: exchange.method,
        path: exchange.path,
        ...(exchange.route !== undefined && { route: exchange.route.name }),
        operation: operation.name,
        status,
        durationMs: Math.round(durationMs),
        phasesMs: phases(exchange, startedAtMs + durationMs),
        upstream,
      },
      'slow exchange',
    )
  },
})

/**
 * `queue` until a connection was free or began to be opened for it, the layers before included · `connect` to open it ·
 * `firstByte` from there to the head of the reply, the request's body included · `body` until the reply's last byte.
 */
const phases = (exchange: Exchange, endedAtMs: number) => {
  const repliedAtMs = exchange.replyAtMs || endedAtMs
  const connectedAtMs = exchange.connectedAtMs || repliedAtMs
  const connectAtMs = exchange.connectAtMs || connectedAtMs
  return {
    queue: Math.round(connectAtMs - exchange.startedAtMs),
    connect: Math.round(connectedAtMs - connectAtMs),
    firstByte: Math.round(repliedAtMs - connectedAtMs),
    body: Math.round(endedAtMs - repliedAtMs),
  }
}
