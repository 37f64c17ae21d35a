import { fieldValue, joinedFieldValue } from '../headers.ts'
import type { Reply } from '../reply.ts'
import { ageOf, type KeptReply } from './kept-reply.ts'

/** Others that keep it ask again soon: the old times were those of a reply that was fresh. */
const CACHE_CONTROL = 'max-age=5'

/** What is said anew, or is not so any more. */
const REPLACED = new Set([
  ...[
    'age',
    'cache-control',
    'cdn-cache-control',
    'cache-status',
    'content-length',
    'expires',
    'pragma',
    'surrogate-control',
  ],
  ...['cloudflare-cdn-cache-control', 'warning'],
])

/** Not of a 304: what it would say of a body that it does not have (RFC 9110 §15.4.5). */
const OF_THE_BODY = new Set(['content-encoding', 'content-language', 'content-range', 'content-type', 'last-modified'])

/** Why a kept reply is served: the `detail` of `Cache-Status` (RFC 9211 §2.8). */
export type StaleCause = 'circuit-open' | 'timeout' | 'unreachable' | 'error' | 'busy' | 'refilling'

/** A kept reply as a client gets it: its age, why it is served, and 304 where the client has it already. */
export const servedReply = (
  kept: KeptReply,
  requestHeaders: readonly string[],
  cause: StaleCause,
  nowMs: number,
): Reply => {
  const age = ageOf(kept, nowMs)
  const isKnown = isKnownToClient(kept, requestHeaders)
  const headers: string[] = []
  for (let index = 0; index < kept.headers.length; index += 2) {
    const lowerName = (kept.headers[index] as string).toLowerCase()
    if (REPLACED.has(lowerName) || (isKnown && OF_THE_BODY.has(lowerName))) continue
    headers.push(kept.headers[index] as string, kept.headers[index + 1] as string)
  }
  if (!isKnown) headers.push('Content-Length', String(kept.body.length))
  headers.push('Age', String(age), 'Cache-Control', CACHE_CONTROL, 'Cache-Status', cacheStatus(kept, age, cause))
  return isKnown
    ? { head: { status: 304, statusText: 'Not Modified', headers }, body: '' }
    : { head: { status: kept.status, statusText: kept.statusText, headers }, body: kept.body }
}

/** Behind what caches nearer to the app have said. */
const cacheStatus = ({ headers, freshSeconds }: KeptReply, age: number, cause: StaleCause): string => {
  const ttl = freshSeconds === undefined ? '' : `; ttl=${freshSeconds - age}`
  const before = joinedFieldValue(headers, 'cache-status')
  return `${before === '' ? '' : `${before}, `}sidegate; hit${ttl}; detail=${cause}`
}

/** RFC 9110 §13.2.2: the tag counts, and the time only where the client names no tag. */
const isKnownToClient = ({ status, headers }: KeptReply, requestHeaders: readonly string[]): boolean => {
  if (status !== 200) return false
  const tags = joinedFieldValue(requestHeaders, 'if-none-match')
  if (tags !== '') {
    const own = fieldValue(headers, 'etag')
    return tags.trim() === '*' || (own !== undefined && hasTag(tags, own))
  }
  return dateOf(fieldValue(headers, 'last-modified')) <= dateOf(fieldValue(requestHeaders, 'if-modified-since'))
}

/** Of RFC 9110 §5.6.7: the obsolete forms count as none, and get the whole reply. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** NaN for what is no date. */
const dateOf = (value = ''): number => (HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN)

/** By weak comparison (RFC 9110 §8.8.3.2). */
export const hasTag = (tags: string, tag: string): boolean => {
  const opaque = tag.replace(/^W\//, '')
  return tags.matchAll(/"[^"]*"/g).some(([one]) => one === opaque)
}
