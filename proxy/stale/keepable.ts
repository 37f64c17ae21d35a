import { fieldValue, joinedFieldValue } from '../headers.ts'
import { cacheDirectives } from './cache-directives.ts'
import type { VaryField } from './kept-reply.ts'

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
  const directives = cacheDirectives(cacheControl)
  if (directives === undefined) return undefined
  if (directives.has('no-store') || directives.has('private') || directives.has('no-cache')) return undefined
  if (cacheControl === '' && /no-cache/i.test(joinedFieldValue(headers, 'pragma'))) return undefined
  const vary = varyOf(requestHeaders, joinedFieldValue(headers, 'vary'))
  if (vary === undefined) return undefined
  const ageSeconds = seconds(fieldValue(headers, 'age')) ?? 0
  const freshSeconds = seconds(directives.get('s-maxage')) ?? seconds(directives.get('max-age')) ?? untilExpiry(headers)
  const servableSeconds = servable(directives, freshSeconds)
  return servableSeconds <= ageSeconds ? undefined : { vary, ageSeconds, freshSeconds, servableSeconds }
}

/** Stale for as long as the app allows it (`stale-if-error`); not at all where it forbids it; else it is the operator's to say. */
const servable = (directives: ReadonlyMap<string, string>, freshSeconds = 0): number => {
  const staleIfError = seconds(directives.get('stale-if-error'))
  const isForbidden = directives.has('must-revalidate') || directives.has('proxy-revalidate')
  if (isForbidden) return freshSeconds
  if (staleIfError !== undefined) return freshSeconds + staleIfError
  return directives.has('s-maxage') ? freshSeconds : Number.POSITIVE_INFINITY // RFC 9111 §5.2.2.10
}

/** Undefined where anything may have chosen it. */
const varyOf = (requestHeaders: readonly string[], vary: string): readonly VaryField[] | undefined => {
  if (vary === '') return []
  const names = vary.split(',').map((name) => name.trim().toLowerCase())
  if (names.includes('*')) return undefined
  return [...new Set(names)]
    .filter((name) => name !== '')
    .map((lowerName) => ({ lowerName, value: joinedFieldValue(requestHeaders, lowerName) }))
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
