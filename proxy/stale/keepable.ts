import { copiedText } from '#shared/copied-text.ts'
import { type Directives, mayBeShared, parseDirectives } from '../cdn/cache-directives.ts'
import { contentKind } from '../cdn/content-kind.ts'
import { ownCaching } from '../cdn/own-caching.ts'
import { mergedTags } from '../cdn/tags.ts'
import { fieldValue, joinedFieldValue } from '../headers.ts'
import type { KeptReply, VaryField } from './kept-reply.ts'

/** Good ones, of which every cache knows what they mean (RFC 9110 §15.1). */
const STATUSES = new Set([200, 203, 301, 308])

/** What a reply says of its being kept. */
export type Keepable = Pick<
  KeptReply,
  'vary' | 'ageSeconds' | 'freshSeconds' | 'servableSeconds' | 'kind' | 'isSaid' | 'tags'
>

/** Of the request, as far as a reply to it is kept by it. */
export interface KeptFor {
  readonly rawHeaders: readonly string[]
  readonly path: string
  /** Of its route, for purges. */
  readonly tags: readonly string[]
}

/**
 * Whether a reply to a request without credentials may be kept (RFC 9111 §3), and how old it may then be served in the
 * place of a failure (§4.2.4, RFC 5861 §4). Undefined where it may not.
 */
export const keepable = (request: KeptFor, status: number, headers: readonly string[]): Keepable | undefined => {
  if (!STATUSES.has(status)) return undefined
  const { toAll, toCdn, says, setsCookie, tags, vary: varies } = ownCaching(headers, parseDirectives)
  const contentType = fieldValue(headers, 'content-type')
  if (contentType?.toLowerCase().startsWith('text/event-stream') === true) return undefined // what it told of has passed
  if (setsCookie || !isForCaches(toAll) || (toCdn !== undefined && !isForCaches(toCdn))) return undefined
  const vary = varyOf(request.rawHeaders, varies)
  if (vary === undefined) return undefined
  const ageSeconds = seconds(fieldValue(headers, 'age')) ?? 0
  const freshSeconds = toAll.sharedMaxAge ?? toAll.maxAge
  const servableSeconds = servable(toAll, freshSeconds)
  if (servableSeconds <= ageSeconds) return undefined
  return {
    ...{ vary, ageSeconds, freshSeconds, servableSeconds, isSaid: says },
    kind: contentKind(contentType, request.path) ?? 'other',
    tags: mergedTags(tags.map(copiedText), request.tags),
  }
}

const isForCaches = (said: Directives): boolean => mayBeShared(said) && !said.noCache

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
    .map((lowerName) => ({ lowerName, value: copiedText(joinedFieldValue(requestHeaders, lowerName)) }))
}

/** Digits alone, as delta-seconds are; undefined for anything else. */
const seconds = (value: string | undefined): number | undefined =>
  value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : undefined
