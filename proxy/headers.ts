/**
 * Which header fields cross the proxy, as pure functions over flat arrays `[name, value, name, value, …]`: the shape
 * in which Node gives them and in which they are sent, so that nothing is converted on the way.
 */

/** Fields about one connection, not about the message (RFC 9110 §7.6.1), and those that name what only we may say. */
const REQUEST_FIELDS_DROPPED = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization', // was for a proxy, and we are the last one
  'te', // `trailers` is put back
  'trailer', // request trailers are not forwarded (docs/architecture.md)
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
  'x-request-deadline-ms',
  'traceparent',
  'tracestate', // put back where the trace is the caller's
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
  'expect',
  'expires',
  'host',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authorization',
  'range',
  'retry-after',
  'set-cookie',
  'surrogate-control',
  'trailer',
  'vary',
  'www-authenticate',
] as const

/** A set of field names that is asked by length first: most names are kept without being lower-cased. */
class FieldNames {
  readonly #byLength: (Set<string> | undefined)[] = []

  constructor(names: readonly string[]) {
    for (const name of names) {
      this.#byLength[name.length] ??= new Set()
      this.#byLength[name.length]?.add(name)
    }
  }

  has(name: string): boolean {
    const candidates = this.#byLength[name.length]
    return candidates?.has(name.toLowerCase()) === true
  }
}

const droppedFromRequest = new FieldNames(REQUEST_FIELDS_DROPPED)
const droppedFromReply = new FieldNames(REPLY_FIELDS_DROPPED)
const droppedFromTrailers = new FieldNames(TRAILER_FIELDS_DROPPED)

const sameName = (name: string, lowerName: string): boolean =>
  name.length === lowerName.length && name.toLowerCase() === lowerName

/** The value of the first field called `lowerName`. */
export const fieldValue = (rawHeaders: readonly string[], lowerName: string): string | undefined => {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (sameName(rawHeaders[index] as string, lowerName)) return rawHeaders[index + 1]
  }
  return undefined
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

/** What we tell the app about a request, besides what the client said. */
export interface ForwardedFacts {
  readonly host: string
  /** Of the peer, as far as it is known; empty for a Unix socket. */
  readonly clientAddress: string
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

/** The fields to send to the app. Forwarding fields of the client are replaced, never appended to. */
export const requestHeaders = (rawHeaders: readonly string[], facts: ForwardedFacts): string[] => {
  const headers = keepFields(rawHeaders, droppedFromRequest)
  if (takesTrailers(rawHeaders)) headers.push('TE', 'trailers')
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
    facts.clientAddress,
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

/** The app's fields that go to the client. */
export const replyHeaders = (rawHeaders: readonly string[], status: number): string[] => {
  const headers = keepFields(rawHeaders, droppedFromReply)
  if (status >= 200 && status !== 204) return headers
  // These have no body, nor may they have its length (RFC 9110 §8.6).
  return headers.filter((_part, index) => !sameName(headers[index - (index % 2)] as string, 'content-length'))
}

/**
 * Whether a reply is in a transfer coding other than one `chunked`: nobody asked for it, and its name would be lost
 * with the field.
 */
export const hasForeignCoding = (rawHeaders: readonly string[]): boolean => {
  let codings = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!sameName(rawHeaders[index] as string, 'transfer-encoding')) continue
    codings++
    if ((rawHeaders[index + 1] as string).toLowerCase() !== 'chunked') return true
  }
  return codings > 1
}

/**
 * The app's trailer fields that go to the client, as pairs: the shape that Node wants. What `Connection` named in the
 * head goes no further here either.
 */
export const replyTrailers = (rawTrailers: readonly string[], rawHeaders: readonly string[]): [string, string][] => {
  const nominated = nominatedFields(rawHeaders)
  const trailers: [string, string][] = []
  for (let index = 0; index < rawTrailers.length; index += 2) {
    const name = rawTrailers[index] as string
    if (droppedFromTrailers.has(name) || nominated?.has(name.toLowerCase()) === true) continue
    trailers.push([name, rawTrailers[index + 1] as string])
  }
  return trailers
}
