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

/** Random digits drawn a page at a time: a system call for each ID would cost more than the rest of it. */
const PAGE_BYTES = 8_192
let randomPage = ''
let randomOffset = 0

/** @returns lower-case hexadecimal digits */
const randomHex = (digits: number): string => {
  if (randomOffset + digits > randomPage.length) {
    randomPage = randomBytes(PAGE_BYTES).toString('hex')
    randomOffset = 0
  }
  randomOffset += digits
  return randomPage.slice(randomOffset - digits, randomOffset)
}

/** By a random digit: the two upper bits are fixed, and the two lower ones are its own. */
const VARIANT: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: 16 }, (_, digit) => [digit.toString(16), (8 + (digit % 4)).toString(16)]),
)

let timestampMs = -1
let timestamp = ''

/** A new UUIDv7 (RFC 9562 §5.7): sorts by `wallMs`, 74 random bits. */
export const mintRequestId = (wallMs: number = Date.now()): string => {
  if (wallMs !== timestampMs) {
    const digits = wallMs.toString(16).padStart(12, '0')
    timestamp = `${digits.slice(0, 8)}-${digits.slice(8)}-7`
    timestampMs = wallMs
  }
  return `${timestamp}${randomHex(3)}-${VARIANT[randomHex(1)]}${randomHex(3)}-${randomHex(12)}`
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
      const knownFlags = version === '00' ? flags : Number.parseInt(flags, 16) & 0x01 ? '01' : '00'
      return { traceparent: `00-${traceId}-${randomHex(16)}-${knownFlags}`, traceId, continued: true }
    }
  }
  const traceId = randomHex(32)
  return { traceparent: `00-${traceId}-${randomHex(16)}-00`, traceId, continued: false }
}
