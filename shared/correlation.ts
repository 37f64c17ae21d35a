import { randomBytes } from 'node:crypto'

/** Header that carries the correlation ID, both ways and to the app. */
export const REQUEST_ID_HEADER = 'X-Request-ID'

const REQUEST_ID_LENGTH_LIMIT = 128

/**
 * Whether a client's X-Request-ID may be kept: 1–128 of `[A-Za-z0-9._-]`, so that it is safe in a log line, a header
 * and a URL as it stands.
 */
export const isRequestId = (value: string): boolean => {
  if (value.length === 0 || value.length > REQUEST_ID_LENGTH_LIMIT) return false
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index)
    const isLetter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90)
    const isDigit = code >= 48 && code <= 57
    if (!(isLetter || isDigit || code === 46 || code === 95 || code === 45)) return false
  }
  return true
}

const HEX_BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Random bytes drawn a page at a time: a system call per request would cost more than the rest of the ID. */
const randomPage = Buffer.alloc(8_192)
let randomPageOffset = randomPage.length

const randomHex = (bytes: number): string => {
  if (randomPageOffset + bytes > randomPage.length) {
    randomBytes(randomPage.length).copy(randomPage)
    randomPageOffset = 0
  }
  let hex = ''
  for (let index = 0; index < bytes; index++) hex += HEX_BYTES[randomPage[randomPageOffset++] as number]
  return hex
}

/** A new UUIDv7 (RFC 9562 §5.7): sorts by `wallMs`, 74 random bits. */
export const mintRequestId = (wallMs: number = Date.now()): string => {
  const time = wallMs.toString(16).padStart(12, '0')
  const random = randomHex(10)
  const variant = HEX_BYTES[0x80 | (Number.parseInt(random.slice(4, 6), 16) & 0x3f)]
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(1, 4)}-${variant}${random.slice(6, 8)}-${random.slice(8)}`
}

/** A position in a distributed trace (W3C Trace Context, level 1). */
export interface TraceContext {
  /** Ready to be sent: `00-<trace id>-<our span id>-<flags>`. */
  readonly traceparent: string
  readonly traceId: string
  /** Whether the trace is the caller's; only then does its `tracestate` belong to it. */
  readonly continued: boolean
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)

/**
 * Continues the caller's trace with a span of our own, or starts a trace where the header is missing or malformed
 * (Trace Context §3.2.2, §4.3: a higher version is read by the format of version 00 and sent on as 00; of its flags
 * only those that version 00 defines are kept).
 */
export const continueTrace = (traceparent: string | undefined): TraceContext => {
  // Version 00 is exactly 55 characters; the length test spares most requests without the header the regex.
  const match = traceparent === undefined || traceparent.length < 55 ? null : TRACEPARENT.exec(traceparent)
  if (match !== null) {
    const [, version, traceId = '', parentId, flags = '', extra] = match
    const isValid =
      version !== 'ff' && traceId !== NO_TRACE && parentId !== NO_SPAN && !(version === '00' && extra !== undefined)
    if (isValid) {
      const knownFlags = version === '00' ? flags : HEX_BYTES[Number.parseInt(flags, 16) & 0x01]
      return { traceparent: `00-${traceId}-${randomHex(8)}-${knownFlags}`, traceId, continued: true }
    }
  }
  const traceId = randomHex(16)
  return { traceparent: `00-${traceId}-${randomHex(8)}-00`, traceId, continued: false }
}
