/**
 * Which header fields cross the proxy, as pure functions over flat arrays `[name, value, name, value, …]`: the shape
 * in which Node gives them and in which they are sent, so that nothing is converted on the way.
 */

import { DEADLINE_FIELD } from '#shared/deadline.ts'
import { withoutOwnCookie } from './state/challenge/clearance-fields.ts'

/** Sets a letter apart from its capital in ASCII. */
const LOWER_CASE_BIT = 0x20

/** Fields about one connection, not about the message (RFC 9110 §7.6.1), and those that name what only we may say. */
const REQUEST_FIELDS_DROPPED = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization', // was for a proxy, and we are the last one
  'te', // `trailers` is put back
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect', // decided here, before 100 is sent
  'host', // put back, checked
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-forwarded-prefix',
  'x-real-ip',
  'x-request-id',
  DEADLINE_FIELD, // put back where the exchange has a deadline
  'traceparent',
  'tracestate', // put back where the trace is the caller's
  'x-sidegate-clearance', // for us, as the cookie of that name is
  'x-sidegate-machine-token',
] as const

/** As above, for replies; what `edge-headers` says of itself the app cannot say as well. */
const REPLY_FIELDS_DROPPED = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
  'traceparent',
] as const

/** Trailers may carry no framing, routing, authentication or caching (RFC 9110 §6.5.1), nor hop-by-hop fields. */
const TRAILER_FIELDS_DROPPED = [
  ...REQUEST_FIELDS_DROPPED,
  ...REPLY_FIELDS_DROPPED,
  'age',
  'authorization',
  'cache-control',
  'cdn-cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expires',
  'location',
  'max-forwards',
  'pragma',
  'range',
  'retry-after',
  'set-cookie',
  'surrogate-control',
  'trailer',
  'vary',
  'www-authenticate',
] as const

/** A set of field names that is asked by length and first letter: few names are lower-cased to be told from it. */
class FieldNames {
  readonly #byLength: (readonly string[] | undefined)[] = []

  constructor(names: readonly string[]) {
    for (const name of names) this.#byLength[name.length] = [...(this.#byLength[name.length] ?? []), name]
  }

  has(name: string): boolean {
    const candidates = this.#byLength[name.length]
    if (candidates === undefined) return false
    for (const candidate of candidates) if (isSameName(name, candidate)) return true
    return false
  }
}

/** @param lowerName of the same length */
const isSameName = (name: string, lowerName: string): boolean =>
  (name.charCodeAt(0) | LOWER_CASE_BIT) === lowerName.charCodeAt(0) && name.toLowerCase() === lowerName

const droppedFromRequest = new FieldNames(REQUEST_FIELDS_DROPPED)
const droppedFromReply = new FieldNames(REPLY_FIELDS_DROPPED)
const droppedFromTrailers = new FieldNames(TRAILER_FIELDS_DROPPED)

/** What a message says of itself before its body. */
interface MessageStart {
  readonly rawHeaders: readonly string[]
  readonly httpVersionMinor: number
}

/** @param lowerName in small letters */
export const sameName = (name: string, lowerName: string): boolean =>
  name.length === lowerName.length && isSameName(name, lowerName)

/** The value of the first field called `lowerName`. */
export const fieldValue = (rawHeaders: readonly string[], lowerName: string): string | undefined => {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (sameName(rawHeaders[index] as string, lowerName)) return rawHeaders[index + 1]
  }
  return undefined
}

/** The value of the only field called `lowerName`; of several, nobody can tell which the app goes by. */
export const soleFieldValue = (rawHeaders: readonly string[], lowerName: string): string | undefined => {
  let found: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!sameName(rawHeaders[index] as string, lowerName)) continue
    if (found !== undefined) return undefined
    found = rawHeaders[index + 1]
  }
  return found
}

/** All values of the fields called `lowerName`, as one list (RFC 9110 §5.3); empty where there are none. */
export const joinedFieldValue = (rawHeaders: readonly string[], lowerName: string): string => {
  let joined = ''
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!sameName(rawHeaders[index] as string, lowerName)) continue
    joined = joined === '' ? (rawHeaders[index + 1] as string) : `${joined},${rawHeaders[index + 1]}`
  }
  return joined
}

/** Whether a field called `lowerName` is there whose value `fits`. */
export const someField = (
  rawHeaders: readonly string[],
  lowerName: string,
  fits: (value: string) => boolean,
): boolean => {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (sameName(rawHeaders[index] as string, lowerName) && fits(rawHeaders[index + 1] as string)) return true
  }
  return false
}

/** Whether the client waits for `100 Continue` before it sends its body. */
export const expectsContinue = ({ rawHeaders, httpVersionMinor }: MessageStart): boolean =>
  httpVersionMinor === 1 && someField(rawHeaders, 'expect', (value) => hasToken(value, '100-continue'))

/** Whether the connection may go on after this message (RFC 9112 §9.3). */
export const isPersistent = ({ rawHeaders, httpVersionMinor }: MessageStart): boolean => {
  let isPersistent = httpVersionMinor === 1
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!sameName(rawHeaders[index] as string, 'connection')) continue
    const value = rawHeaders[index + 1] as string
    if (value === 'keep-alive') isPersistent = true
    else if (hasToken(value, 'close')) return false
    else if (hasToken(value, 'keep-alive')) isPersistent = true
  }
  return isPersistent
}

/** Whether a comma-separated field holds `token`, in any case. */
export const hasToken = (value: string, token: string): boolean =>
  value.split(',').some((member) => member.trim().toLowerCase() === token)

/**
 * Fields that `Connection` names go no further (RFC 9110 §7.6.1). Undefined for the usual `keep-alive` and `close`.
 */
const nominatedFields = (rawHeaders: readonly string[]): Set<string> | undefined => {
  let nominated: Set<string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!sameName(rawHeaders[index] as string, 'connection')) continue
    const value = rawHeaders[index + 1] as string
    if (value === 'keep-alive' || value === 'close' || value === 'Keep-Alive') continue
    nominated ??= new Set()
    for (const token of value.split(',')) nominated.add(token.trim().toLowerCase())
  }
  return nominated
}

const keepFields = (rawHeaders: readonly string[], dropped: FieldNames): string[] => {
  const nominated = nominatedFields(rawHeaders)
  const kept: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (dropped.has(name)) continue
    if (nominated?.has(name.toLowerCase()) === true) continue
    kept.push(name, rawHeaders[index + 1] as string)
  }
  return kept
}

/** Takes the clearance out of `Cookie`: the app has no use for it, and could only give it away. */
const dropOwnCookie = (headers: string[]): void => {
  for (let index = 0; index < headers.length; index += 2) {
    if (!sameName(headers[index] as string, 'cookie')) continue
    const value = headers[index + 1] as string
    const kept = withoutOwnCookie(value)
    if (kept === value) continue
    if (kept !== '') headers[index + 1] = kept
    else {
      headers.splice(index, 2)
      index -= 2
    }
  }
}

/** What we tell the app about a request, besides what the client said. */
export interface ForwardedFacts {
  readonly host: string
  /** The client, and those that it came by. */
  readonly forwardedFor: string
  readonly scheme: 'http' | 'https'
  readonly requestId: string
  readonly traceparent: string
  /** Whether the trace is the caller's, so that its `tracestate` still belongs to it. */
  readonly keepsTraceState: boolean
}

const takesTrailers = (rawHeaders: readonly string[]): boolean => {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (sameName(rawHeaders[index] as string, 'te') && hasToken(rawHeaders[index + 1] as string, 'trailers'))
      return true
  }
  return false
}

/** The fields to send to the app. Forwarding fields are replaced by what is known of the way that the request has come. */
export const requestHeaders = (rawHeaders: readonly string[], facts: ForwardedFacts): string[] => {
  const headers = keepFields(rawHeaders, droppedFromRequest)
  dropOwnCookie(headers)
  if (facts.keepsTraceState) {
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (sameName(rawHeaders[index] as string, 'tracestate'))
        headers.push('tracestate', rawHeaders[index + 1] as string)
    }
  }
  headers.push(
    'Host',
    facts.host,
    'X-Forwarded-For',
    facts.forwardedFor,
    'X-Forwarded-Host',
    facts.host,
    'X-Forwarded-Proto',
    facts.scheme,
    'X-Request-ID',
    facts.requestId,
    'traceparent',
    facts.traceparent,
  )
  return headers
}

/** What we say to the app about our connection with it. */
export const connectionFields = (rawHeaders: readonly string[], isHandshake: boolean, isChunked: boolean): string[] => {
  const fields: string[] = []
  if (takesTrailers(rawHeaders)) fields.push('TE', 'trailers', 'Connection', 'TE')
  if (isHandshake) fields.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  if (isChunked) fields.push('Transfer-Encoding', 'chunked')
  return fields
}

/** The app's fields that go to the client. */
export const replyHeaders = (rawHeaders: readonly string[], status: number): string[] => {
  const headers = keepFields(rawHeaders, droppedFromReply)
  if (status >= 200 && status !== 204) return headers
  // These have no body, nor may they have its length (RFC 9110 §8.6).
  return headers.filter((_part, index) => !sameName(headers[index - (index % 2)] as string, 'content-length'))
}

/** Whether a reply is one of server-sent events. */
export const isEventStream = (headers: readonly string[]): boolean =>
  fieldValue(headers, 'content-type')?.toLowerCase().startsWith('text/event-stream') === true

/** The trailer fields that go on, up or down. What `Connection` named in the head goes no further here either. */
export const keptTrailers = (rawTrailers: readonly string[], rawHeaders: readonly string[]): string[] => {
  const nominated = nominatedFields(rawHeaders)
  const trailers: string[] = []
  for (let index = 0; index < rawTrailers.length; index += 2) {
    const name = rawTrailers[index] as string
    if (droppedFromTrailers.has(name) || nominated?.has(name.toLowerCase()) === true) continue
    trailers.push(name, rawTrailers[index + 1] as string)
  }
  return trailers
}
