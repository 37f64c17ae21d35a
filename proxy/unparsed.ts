import type { Duplex } from 'node:stream'
import type { Logger } from '#shared/log.ts'
import { correlation } from './facts/correlation.ts'
import type { TrafficCounts } from './layers/traffic.ts'
import { closeGently } from './linger.ts'
import { problemReply } from './problem-reply.ts'
import { type Refusal, refusal } from './refusal.ts'
import { rawHead } from './reply.ts'

/** What Node's parser or its timers say of bytes that never became a request. */
export interface ParserError extends Error {
  readonly code?: string
  readonly reason?: string
  readonly bytesParsed?: number
  readonly rawPacket?: Buffer
}

export const parserRefusal = (error: ParserError): Refusal => {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refusal('request-timeout', 'no whole request head in time')
    case 'HPE_HEADER_OVERFLOW':
      return isWithinRequestLine(error) ? refusal('uri-too-long') : refusal('header-too-large')
    default:
      return refusal('malformed-request', error.reason ?? error.message)
  }
}

/**
 * Node counts the request line with the header; whether the line was at fault shows in the packet itself: what has been
 * read of it is a method and a target, or what follows is the end of a request line. Of a line in three packets or
 * more the middle ones show nothing, and it is taken for a field.
 */
const isWithinRequestLine = ({ rawPacket, bytesParsed = 0 }: ParserError): boolean =>
  rawPacket !== undefined &&
  (/^(?:\r\n)*[A-Z-]+ +[^ \r\n]*$/.test(rawPacket.toString('latin1', 0, bytesParsed)) ||
    rawPacket.toString('latin1', bytesParsed, bytesParsed + ' HTTP/'.length) === ' HTTP/')

/**
 * Answers bytes that never became a request: the layers cannot see them, so that what those do for every reply
 * (correlation ID, log line, count) is done here.
 */
export const refuseUnparsed = (socket: Duplex, refused: Refusal, log: Logger, traffic: TrafficCounts): void => {
  const { requestId, trace } = correlation([])
  const { head, body } = problemReply(refused, requestId)
  head.headers.push('X-Request-ID', requestId, 'traceparent', trace.traceparent)
  head.headers.push('Date', new Date().toUTCString())
  socket.write(rawHead(head) + body)
  closeGently(socket)
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
