import { type Directives, parseDirectives } from '../cdn/cache-directives.ts'
import { fieldValue, joinedFieldValue } from '../headers.ts'
import { copied, type VaryField } from './kept-reply.ts'

/** Good ones, of which every cache knows what they mean (RFC 9110 §15.1). */
const STATUSES = new Set([200, 203, 301, 308])

/** What a reply says of its being kept. */
export interface Keepable {
  readonly vary: readonly VaryField[]
  readonly ageSeconds: number
  readonly freshSeconds: number | undefined
  readonly servableSeconds: number
}

/**
 * Whether a reply to a request without credentials may be kept (RFC 9111 §3), and how old it may then be served in the
 * place of a failure (§4.2.4, RFC 5861 §4). Undefined where it may not.
 */
export const keepable = (
  requestHeaders: readonly string[],
  status: number,
  headers: readonly string[],
): Keepable | undefined => {
  if (!STATUSES.has(status) || fieldValue(headers, 'set-cookie') !== undefined) return undefined
  const cacheControl = joinedFieldValue(headers, 'cache-control')
  const directives = parseDirectives(cacheControl)
  if (directives === undefined || directives.noStore || directives.isPrivate || directives.noCache) return undefined
  if (cacheControl === '' && /no-cache/i.test(joinedFieldValue(headers, 'pragma'))) return undefined
  const vary = varyOf(requestHeaders, joinedFieldValue(headers, 'vary'))
  if (vary === undefined) return undefined
  const ageSeconds = seconds(fieldValue(headers, 'age')) ?? 0
  const freshSeconds = directives.sharedMaxAge ?? directives.maxAge ?? untilExpiry(headers)
  const servableSeconds = servable(directives, freshSeconds)
  return servableSeconds <= ageSeconds ? undefined : { vary, ageSeconds, freshSeconds, servableSeconds }
}

/** Stale for as long as the app allows it (`stale-if-error`); not at all where it forbids it; else it is the operator's to say. */
const servable = (said: Directives, freshSeconds = 0): number => {
  if (said.mustRevalidate || said.proxyRevalidate) return freshSeconds
  if (said.staleIfError !== undefined) return freshSeconds + said.staleIfError
  return said.sharedMaxAge === undefined ? Number.POSITIVE_INFINITY : freshSeconds // RFC 9111 §5.2.2.10
}

/** The app reads these as we have written them, not as the client sent them: what chose the reply is not known from the request. */
const WRITTEN_BY_US = new Set([
  ...['forwarded', 'x-forwarded-for', 'x-forwarded-port', 'x-forwarded-server', 'x-forwarded-prefix', 'x-real-ip'],
  ...['x-forwarded-host', 'x-forwarded-proto', 'x-request-id', 'traceparent', 'tracestate', 'x-request-deadline-ms'],
])

/** Undefined where anything may have chosen it. */
const varyOf = (requestHeaders: readonly string[], vary: string): readonly VaryField[] | undefined => {
  if (vary === '') return []
  const names = vary.split(',').map((name) => name.trim().toLowerCase())
  if (names.some((name) => name === '*' || WRITTEN_BY_US.has(name))) return undefined
  return [...new Set(names)]
    .filter((name) => name !== '')
    .map((lowerName) => ({ lowerName, value: copied(joinedFieldValue(requestHeaders, lowerName)) }))
}

const untilExpiry = (headers: readonly string[]): number | undefined => {
  const expires = fieldValue(headers, 'expires')
  if (expires === undefined) return undefined
  const [expiresAtMs, dateMs] = [Date.parse(expires), Date.parse(fieldValue(headers, 'date') ?? '')]
  // `Expires: 0`, and whatever else is no time, has passed (RFC 9111 §5.3).
  return Number.isNaN(expiresAtMs) || Number.isNaN(dateMs) ? 0 : Math.max(0, Math.floor((expiresAtMs - dateMs) / 1_000))
}

/** Digits alone, as delta-seconds are; undefined for anything else. */
const seconds = (value: string | undefined): number | undefined =>
  value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : undefined
