import { z } from 'zod'
import { CONTENT_KINDS, type ContentKind } from '../../cdn/content-kind.ts'
import { count, flag, oneOf, part, seconds, token, webUrl } from './fields.ts'

/** The parts of the policy about caching: what a route says of its replies, and what holds where it says nothing. */

const DAY_SECONDS = 86_400
const YEAR_SECONDS = 365 * DAY_SECONDS

/** What may be said of caching for all of a route, for one kind of its replies, or for a kind of replies anywhere. */
const caching = {
  visibility: oneOf('app', 'public', 'private', 'no-store'),
  maxAgeSeconds: seconds({ min: 0, max: YEAR_SECONDS }),
  cdnMaxAgeSeconds: seconds({ min: 0, max: YEAR_SECONDS }),
  staleWhileRevalidateSeconds: seconds({ min: 0, max: YEAR_SECONDS }),
  staleIfErrorSeconds: seconds({ min: 0, max: YEAR_SECONDS }),
  ignoreCookies: flag(),
}

const cacheOfKind = z.strictObject(caching).partial().describe('As for the whole route, and before it.')

const ofEachKind = <Value>(value: (kind: ContentKind) => Value) =>
  Object.fromEntries(CONTENT_KINDS.map((kind) => [kind, value(kind)])) as Record<ContentKind, Value>

export const cache = z.strictObject({
  visibility: caching.visibility
    .optional()
    .describe(
      'Who may keep a reply: everyone, the browser alone, nobody; or as the `app` says. The app’s own stricter header wins. Unset, as `cdn.types` has it.',
    ),
  maxAgeSeconds: caching.maxAgeSeconds
    .optional()
    .describe('In browsers, at most. Unset, what the app says, or else `cdn.types`.'),
  cdnMaxAgeSeconds: caching.cdnMaxAgeSeconds
    .optional()
    .describe(
      'In the CDN, at most. Unset, `maxAgeSeconds`; or if that is unset too, what the app says, or else `cdn.types`.',
    ),
  staleWhileRevalidateSeconds: caching.staleWhileRevalidateSeconds
    .optional()
    .describe('How long after that the CDN may answer while it asks again.'),
  staleIfErrorSeconds: caching.staleIfErrorSeconds
    .optional()
    .describe('How long after that the CDN may answer while the app fails.'),
  ignoreCookies: caching.ignoreCookies
    .optional()
    .describe('Public even for requests with cookies. Only where no cookie changes the reply.'),
  byType: z
    .partialRecord(z.enum(CONTENT_KINDS), cacheOfKind)
    .default({})
    .describe(
      'The same for some types of replies: `html`, `json`, `images` (and what is played), `fonts`, `scripts` (and styles), `downloads`, `other`.',
    ),
  tags: z
    .array(z.string().regex(/^[\x21-\x2b\x2d-\x7e]{1,1024}$/, 'expected a tag without blanks and commas'))
    .max(100)
    .default([])
    .describe('For purging. The app may say more, in `Surrogate-Key` or `Cache-Tag`.'),
  vary: z.array(token()).max(20).default([]).describe('Added to the app’s own `Vary`.'),
})

/** Where neither the app nor the route says anything. */
const cacheDefaults = ({ maxAge, cdnMaxAge, whileRevalidate, ifError }: CacheTimes) =>
  part({
    visibility: caching.visibility.default('app').describe('As in a route.'),
    maxAgeSeconds: caching.maxAgeSeconds.default(maxAge).describe('In browsers.'),
    cdnMaxAgeSeconds: caching.cdnMaxAgeSeconds.default(cdnMaxAge).describe('In the CDN.'),
    staleWhileRevalidateSeconds: caching.staleWhileRevalidateSeconds
      .default(whileRevalidate)
      .describe('After that, while it asks again.'),
    staleIfErrorSeconds: caching.staleIfErrorSeconds.default(ifError).describe('After that, while the app fails.'),
    ignoreCookies: caching.ignoreCookies.default(false).describe('As in a route.'),
  })

/** In seconds. */
interface CacheTimes {
  readonly maxAge: number
  readonly cdnMaxAge: number
  readonly whileRevalidate: number
  readonly ifError: number
}

const NOT_KEPT: CacheTimes = { maxAge: 0, cdnMaxAge: 0, whileRevalidate: 0, ifError: 0 }

/** Short in browsers, which cannot be purged; longer in the CDN, which can. What is an answer rather than a file is always asked for. */
const CACHE_TIMES: Record<ContentKind, CacheTimes> = {
  html: { maxAge: 0, cdnMaxAge: 60, whileRevalidate: 60, ifError: DAY_SECONDS },
  json: NOT_KEPT,
  images: { maxAge: 3_600, cdnMaxAge: 7 * DAY_SECONDS, whileRevalidate: 3_600, ifError: DAY_SECONDS },
  fonts: { maxAge: 7 * DAY_SECONDS, cdnMaxAge: 30 * DAY_SECONDS, whileRevalidate: DAY_SECONDS, ifError: DAY_SECONDS },
  scripts: { maxAge: 300, cdnMaxAge: DAY_SECONDS, whileRevalidate: 60, ifError: DAY_SECONDS },
  downloads: { maxAge: 3_600, cdnMaxAge: DAY_SECONDS, whileRevalidate: 3_600, ifError: DAY_SECONDS },
  other: NOT_KEPT,
}

const purge = part({
  provider: oneOf('none', 'cloudflare', 'fastly', 'webhook')
    .default('none')
    .describe('Whom purges are told to, beside the proxies. Its credential is in the keyring, or CDN_PURGE_TOKEN.'),
  target: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,100}$/, 'expected a zone or service ID: letters, digits, "_" and "-"')
    .optional()
    .describe('The ID of the zone (`cloudflare`) or of the service (`fastly`).'),
  url: webUrl().optional().describe('Of the `webhook`; for the others, in the place of their own API.'),
  valuesPerCall: count({ min: 1, max: 500 }).default(30).describe('URLs, tags or prefixes in one call, at most.'),
  callsPerMinute: count({ min: 1, max: 60_000 }).default(60).describe('As the CDN allows them,'),
  burst: count({ min: 1, max: 10_000 }).default(25).describe('and so many at once.'),
})

export const cdn = part({
  vendor: oneOf('cloudflare', 'fastly', 'cloudfront', 'generic')
    .default('generic')
    .describe('Decides which headers go out.'),
  hashedNamesAreImmutable: flag()
    .default(true)
    .describe(
      'Files with a content hash in their names (`app.3f2a9c1b.js`, `ab/cd/<sha-256>.png`) are public, and kept for a year.',
    ),
  types: part(ofEachKind((kind) => cacheDefaults(CACHE_TIMES[kind]))).describe(
    'What holds for each type of replies where neither the app nor the route says anything.',
  ),
  purge: purge.describe('How what has changed leaves the CDN.'),
})
