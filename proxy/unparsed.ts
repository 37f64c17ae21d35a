import type { Duplex } from 'node:stream'
import { mintRequestId } from '#shared/correlation.ts'
import type { Logger } from '#shared/log.ts'
import type { TrafficCounts } from './layers/traffic.ts'
import { problemReply } from './problem-reply.ts'
import { type Refusal, refusal } from './refusal.ts'

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

/** Node counts the request line with the header; whether the line was at fault shows in the packet itself. */
const isWithinRequestLine = ({ rawPacket }: ParserError): boolean =>
  rawPacket !== undefined && /^(?:\r\n)*[A-Z]{3,} [^ \r\n]+$/.test(rawPacket.toString('latin1'))

/** The longest that a refused peer may take to read why. */
const FLUSH_MS = 2_000

/**
 * Answers bytes that never became a request: the layers cannot see them, so that what those do for every reply
 * (correlation ID, log line, count) is done here.
 */
export const refuseUnparsed = (socket: Duplex, refused: Refusal, log: Logger, traffic: TrafficCounts): void => {
  const requestId = mintRequestId()
  const { head, body } = problemReply(refused, requestId)
  head.headers.push('X-Request-ID', requestId)
  let raw = `HTTP/1.1 ${head.status} ${head.statusText}\r\nDate: ${new Date().toUTCString()}\r\n`
  for (let index = 0; index < head.headers.length; index += 2) {
    raw += `${head.headers[index]}: ${head.headers[index + 1]}\r\n`
  }
  const expiry = setTimeout(() => socket.destroy(), FLUSH_MS)
  expiry.unref()
  socket.once('close', () => clearTimeout(expiry))
  socket.resume()
  socket.end(`${raw}\r\n${body}`)
  traffic.count({ kind: 'refused', status: head.status, refusal: refused, durationMs: 0, bodyBytes: body.length })
  log[refused.text.logLevel](
    { correlationId: requestId, status: head.status, refusal: refused.kind, reason: refused.reason },
    `unparsed request ${head.status}`,
  )
}
