import type { Logger } from '#shared/log.ts'
import type { ClientConnection } from './client/connection.ts'
import { correlation } from './facts/correlation.ts'
import type { TrafficCounts } from './layers/traffic.ts'
import { problemReply } from './problem-reply.ts'
import type { Refusal } from './refusal.ts'

/**
 * Answers bytes that never became a request: the layers cannot see them, so that what those do for every reply
 * (correlation ID, log line, count) is done here.
 */
export const refuseUnparsed = (
  connection: ClientConnection,
  refused: Refusal,
  log: Logger,
  traffic: TrafficCounts,
): void => {
  const { requestId, trace } = correlation([])
  const { head, body } = problemReply(refused, requestId)
  head.headers.push('X-Request-ID', requestId, 'traceparent', trace.traceparent)
  connection.answerUnparsed(head, body)
  traffic.count({ kind: 'refused', status: head.status, refusal: refused, durationMs: 0, bodyBytes: body.length })
  log[refused.text.logLevel](
    {
      correlationId: requestId,
      traceId: trace.traceId,
      status: head.status,
      outcome: 'refused',
      refusal: refused.kind,
      ...(refused.reason !== undefined && { reason: refused.reason }),
    },
    `unparsed request ${head.status}`,
  )
}
