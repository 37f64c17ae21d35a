import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EmergencyState } from '../state/emergency/emergency-state.ts'
import { type CompiledPolicy, compilePolicy } from '../state/policy/compile.ts'
import { readPolicy } from '../state/policy/read.ts'
import { CONTENT_KINDS } from './content-kind.ts'
import { type CachingFacts, writeCaching } from './reply-caching.ts'

type Field = readonly [string, string]

const age = fc.constantFrom(0, 1, 60, 3_600, 31_536_000)

/** What a route may say: all that a policy takes, and little that it refuses. */
const rule = fc.record(
  {
    visibility: fc.constantFrom('app', 'public', 'public', 'private', 'no-store'),
    maxAgeSeconds: age,
    cdnMaxAgeSeconds: age,
    staleWhileRevalidateSeconds: age,
    staleIfErrorSeconds: age,
    ignoreCookies: fc.boolean(),
  },
  { requiredKeys: [] },
)

const cache = fc
  .record({
    whole: rule,
    byType: fc.dictionary(fc.constantFrom(...CONTENT_KINDS), rule, { maxKeys: 3 }),
    tags: fc.array(fc.constantFrom('site', 'page:7', 'x'.repeat(1_024)), { maxLength: 20 }),
    vary: fc.array(fc.constantFrom('Accept', 'x-tenant', 'accept-encoding'), { maxLength: 2 }),
  })
  .map(({ whole, ...rest }) => ({ ...whole, ...rest }))

/** Without the fields that mean nothing where they stand, which a policy may not have. */
const repaired = (document: unknown): unknown => {
  const reading = readPolicy(document)
  if (reading.kind === 'good') return document
  const copy: unknown = structuredClone(document)
  for (const { path } of reading.problems) {
    const keys = path.split('.')
    const last = keys.pop() as string
    const holder = keys.reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], copy)
    delete (holder as Record<string, unknown>)[last]
  }
  return copy
}

const policy = fc
  .record({
    routes: fc.option(
      cache.map((one) => ({ all: { match: { path: '/*' }, cache: one } })),
      { nil: {} },
    ),
    cdn: fc.record({
      vendor: fc.constantFrom('cloudflare', 'fastly', 'cloudfront', 'generic'),
      hashedNamesAreImmutable: fc.boolean(),
      types: fc.dictionary(fc.constantFrom(...CONTENT_KINDS), rule, { maxKeys: 2 }),
    }),
    emergency: fc.record({ cdnTtlFactor: fc.constantFrom(1, 1.5, 10, 1_000) }),
  })
  .map((document): unknown => repaired(document))

const directive = fc.oneof(
  fc.constantFrom('public', 'private', 'no-store', 'no-cache', 'must-revalidate', 'proxy-revalidate', 'immutable'),
  fc.constantFrom(
    'Public',
    'PRIVATE',
    'private="x-a, x-b"',
    'no-cache="set-cookie"',
    'no-transform',
    'a="b\\"c, d"',
    'x=y',
    '',
  ),
  fc
    .tuple(fc.constantFrom('max-age', 'S-MaxAge', 'stale-while-revalidate', 'stale-if-error'), age)
    .map(([a, b]) => `${a}=${b}`),
  fc.constantFrom(
    'max-age',
    'max-age=-1',
    'max-age="5"',
    'max-age=1x',
    'stale-if-error',
    'a b',
    'public;x',
    '"',
    'max-age=99999999999999999999',
  ),
)
const control = fc.array(directive, { maxLength: 4 }).map((members) => members.join(', '))
const date = fc.constantFrom('Sun, 06 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 09:49:37 GMT', '0', '', 'yesterday')

const field: fc.Arbitrary<Field> = fc
  .oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant('Cache-Control'), control) },
    fc.tuple(
      fc.constantFrom(
        'CDN-Cache-Control',
        'Surrogate-Control',
        'Cloudflare-CDN-Cache-Control',
        'Acme-CDN-Cache-Control',
      ),
      control,
    ),
    fc.tuple(fc.constantFrom('Expires', 'Date'), date),
    fc.tuple(fc.constant('Pragma'), fc.constantFrom('no-cache', 'x')),
    fc.tuple(fc.constant('Set-Cookie'), fc.constant('a=b')),
    fc.tuple(fc.constant('Vary'), fc.constantFrom('Accept', 'accept-encoding, Cookie', '*', 'a b', ',', 'Origin, *')),
    fc.tuple(
      fc.constantFrom('Surrogate-Key', 'Cache-Tag'),
      fc.constantFrom('a b', 'a, b', 'a,b', 'site', '', 'k'.repeat(1_025), 'gr\xfcn'),
    ),
    fc.tuple(
      fc.constant('Content-Type'),
      fc.constantFrom(
        'text/html; charset=utf-8',
        'application/json',
        'Image/PNG',
        'font/woff2',
        'text/css',
        'application/pdf',
        'x',
        'multipart/byteranges; boundary=x',
      ),
    ),
    fc.constantFrom<Field[]>(
      ['ETag', '"x"'],
      ['Last-Modified', 'Sun, 06 Nov 1994 08:49:37 GMT'],
      ['Content-Range', 'bytes 0-1/9'],
      ['Age', '5'],
      ['Content-Length', '7'],
      ['X-A', 'b'],
    ),
  )
  .chain(([name, value]) =>
    fc.constantFrom(name, name.toLowerCase(), name.toUpperCase()).map((spelt): Field => [spelt, value]),
  )

const exchange = fc.record({
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'OPTIONS', 'QUERY'),
  path: fc.constantFrom('/', '/a/b', '/a.png', '/x.js', '/app.3f2a9c1b.js', `/ab/ab/${'ab'.repeat(32)}.png`),
  requestFields: fc.array(
    fc.constantFrom<Field[]>(
      ['Authorization', 'Bearer x'],
      ['authorization', ''],
      ['Cookie', 'a=b'],
      ['COOKIE', 'sidegate-clearance=x'],
      ['Cookie', 'sidegate-clearance=x; a=b'],
      ['Range', 'bytes=0-1'],
      ['If-None-Match', '"x"'],
      ['Accept', '*/*'],
    ),
    { maxLength: 2 },
  ),
  emergency: fc.constantFrom<EmergencyState>('calm', 'emergency', 'recovering'),
  status: fc.constantFrom(
    200,
    200,
    200,
    201,
    203,
    204,
    206,
    300,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    403,
    404,
    410,
    416,
    500,
    503,
  ),
  fields: fc.array(field, { maxLength: 6 }),
})
type Generated = typeof exchange extends fc.Arbitrary<infer Value> ? Value : never

const compiled = (document: unknown): CompiledPolicy => {
  const reading = readPolicy(document)
  if (reading.kind === 'bad') throw new Error(JSON.stringify(reading.problems))
  return compilePolicy(1, reading.policy)
}

const written = (
  policies: CompiledPolicy,
  { method, path, requestFields, emergency, status, fields }: Generated,
): Field[] => {
  const rawHeaders = requestFields.flat()
  const facts: CachingFacts = {
    method,
    path,
    emergency,
    request: {
      method,
      target: path,
      httpVersionMinor: 1,
      rawHeaders,
      framing: { isChunked: false, length: undefined },
    },
  }
  const head = { status, statusText: '', headers: fields.flat() }
  writeCaching((policies.routes.find(method, path) ?? policies).caching, facts, head)
  return Array.from(
    { length: head.headers.length / 2 },
    (_, index): Field => [head.headers[2 * index] as string, head.headers[2 * index + 1] as string],
  )
}

const valuesOf = (fields: readonly Field[], lowerName: string): string[] =>
  fields.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value)

// A second reading of what a reply says, written from the RFCs and not from the code: what could any cache make of it?

const MEMBER = /^[!#$%&'*+.^_`|~\w-]+(=([!#$%&'*+.^_`|~\w-]+|"([^"\\]|\\.)*"))?$/
const members = (value: string): string[] =>
  (value.match(/(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g) ?? []).map((member) => member.trim()).filter((member) => member !== '')
const says = (value: string, name: string): boolean =>
  members(value).some((member) => member.toLowerCase().split('=')[0] === name)
const timeIn = (value: string, name: string): number | undefined => {
  const times = members(value).flatMap((member) => {
    const [key, time] = member.toLowerCase().split('=')
    return key === name && time !== undefined ? [Number(time.replaceAll('"', ''))] : []
  })
  return times.length === 0 ? undefined : Math.min(...times)
}
const isCdnField = (name: string): boolean => /(^|-)cdn-cache-control$|^surrogate-control$/i.test(name)

/** Whether some shared cache could store it: by a field of its own, or by `Cache-Control`, or for want of both by habit. */
const mayBeStoredByOthers = (fields: readonly Field[], { method, status }: Generated): boolean => {
  const toAll = valuesOf(fields, 'cache-control').join(', ')
  const forbids = (value: string) => says(value, 'private') || says(value, 'no-store')
  const toCdns = fields.filter(([name]) => isCdnField(name)).map(([, value]) => value)
  // A 304 is no reply to store, and without a word it leaves the one that is stored as it was (RFC 9111 §4.3.4).
  const isSaid = ['public', 'no-cache', 'max-age', 's-maxage'].some((name) => says(toAll, name))
  if (status === 304 && !isSaid && toCdns.length === 0) return false
  // Replies to other methods are stored only where that is said outright (RFC 9111 §3).
  const isHabit = ['GET', 'HEAD'].includes(method)
  const isExpiring = valuesOf(fields, 'expires').length > 0
  const allows = (value: string) =>
    !forbids(value) && (isHabit || isExpiring || ['public', 'max-age', 's-maxage'].some((name) => says(value, name)))
  return allows(toAll) || toCdns.some(allows)
}

const ignoresCookies = (document: unknown, vary: string): boolean =>
  JSON.stringify(document).includes('"ignoreCookies":true') && !/\bcookie\b/i.test(vary)

/** DESIGN: replies with Set-Cookie, to requests with Authorization or cookies, errors. */
const isForbidden = (document: unknown, { requestFields, fields, status, method }: Generated): boolean => {
  const cookies = valuesOf(requestFields, 'cookie').filter((value) => value !== 'sidegate-clearance=x')
  const vary = valuesOf(fields, 'vary').join(', ')
  return (
    valuesOf(fields, 'set-cookie').length > 0 ||
    valuesOf(requestFields, 'authorization').length > 0 ||
    (cookies.length > 0 && !ignoresCookies(document, vary)) ||
    status >= 400 ||
    vary.includes('*') ||
    vary.includes('a b') ||
    !['GET', 'HEAD'].includes(method)
  )
}

const RUNS = { numRuns: 2_000 }

describe('Property 2: Cache Header Consistency', () => {
  it('nothing is publicly cacheable that must not be, whatever the policy and the app say', () => {
    fc.assert(
      fc.property(policy, exchange, (document, one) => {
        if (!isForbidden(document, one)) return
        const after = written(compiled(document), one)
        expect(mayBeStoredByOthers(after, one), JSON.stringify(after)).toBe(false)
        const isSaid = valuesOf(after, 'cache-control').length > 0
        if (isSaid && ['GET', 'HEAD'].includes(one.method)) {
          expect(after.filter(([name]) => /^(surrogate-key|cache-tag)$/i.test(name))).toEqual([])
        }
      }),
      RUNS,
    )
  })

  it('the app’s stricter word wins: for others, for the browser, and in time', () => {
    fc.assert(
      fc.property(policy, exchange, (document, one) => {
        const own = valuesOf(one.fields, 'cache-control').join(', ')
        if (own === '' || !members(own).every((member) => MEMBER.test(member))) return
        const after = written(compiled(document), one)
        const toAll = valuesOf(after, 'cache-control').join(', ')
        if (says(own, 'no-store')) expect(says(toAll, 'no-store')).toBe(true)
        const isKeptFromOthers = says(own, 'private') || says(own, 'no-store')
        const speaksToCdns = one.fields.some(([name]) => isCdnField(name))
        if (isKeptFromOthers && !speaksToCdns) expect(mayBeStoredByOthers(after, one)).toBe(false)
        if (says(own, 'no-cache')) expect(says(toAll, 'no-cache') || says(toAll, 'no-store')).toBe(true)
        if (says(own, 'must-revalidate')) expect(says(toAll, 'must-revalidate') || says(toAll, 'no-store')).toBe(true)
        const ownAge = timeIn(own, 'max-age')
        if (ownAge !== undefined && ownAge >= 0) expect(timeIn(toAll, 'max-age') ?? 0).toBeLessThanOrEqual(ownAge)
        const ownShared = timeIn(own, 's-maxage') ?? ownAge
        if (ownShared !== undefined && ownShared >= 0 && !speaksToCdns) {
          const cdnFields = after.filter(([name]) => isCdnField(name)).map(([, value]) => timeIn(value, 'max-age') ?? 0)
          for (const time of [...cdnFields, timeIn(toAll, 's-maxage') ?? 0]) expect(time).toBeLessThanOrEqual(ownShared)
        }
      }),
      RUNS,
    )
  })

  it('nor is anything made public, or longer public, that policy and app have not made so', () => {
    fc.assert(
      fc.property(exchange, fc.constantFrom('cloudflare', 'fastly', 'cloudfront', 'generic'), (one, vendor) => {
        const saysOwn = one.fields.some(
          ([name, value]) =>
            isCdnField(name) || (/^cache-control$/i.test(name) && value !== '') || /^(expires|pragma)$/i.test(name),
        )
        if (saysOwn) return
        const after = written(compiled({ cdn: { vendor, hashedNamesAreImmutable: false } }), one)
        expect(after.some(([name, value]) => isCdnField(name) || says(value, 'public'))).toBe(false)
        const silent = ['GET', 'HEAD'].includes(one.method) || one.status >= 400 ? 1 : 0
        expect(valuesOf(after, 'cache-control').filter((value) => value !== '')).toHaveLength(silent)
      }),
      RUNS,
    )
  })

  it('the same input has the same headers on every instance, and saying it again changes nothing for caches', () => {
    fc.assert(
      fc.property(policy, exchange, exchange, (document, one, before) => {
        const fresh = written(compiled(document), one)
        const used = compiled(document)
        written(used, before)
        expect(written(used, one)).toEqual(fresh)
        expect(written(used, one)).toEqual(fresh)
      }),
      RUNS,
    )
  })

  it('the fields of caching are well-formed, said once, and those of this CDN', () => {
    const names = {
      cloudflare: ['cdn-cache-control', 'cache-tag'],
      fastly: ['surrogate-control', 'surrogate-key'],
      cloudfront: [],
      generic: ['cdn-cache-control', 'surrogate-control', 'surrogate-key', 'cache-tag'],
    }
    fc.assert(
      fc.property(policy, exchange, (document, one) => {
        const after = written(compiled(document), one)
        const changed = after.filter(
          (field) => !one.fields.some(([name, value]) => name === field[0] && value === field[1]),
        )
        for (const [name, value] of changed) {
          const lower = name.toLowerCase()
          if (lower === 'vary') expect(value).toMatch(/^(\*|[!#$%&'*+.^_`|~\w-]+(, [!#$%&'*+.^_`|~\w-]+)*)$/)
          else if (lower === 'cache-tag') expect(value).toMatch(/^[\x21-\x2b\x2d-\x7e]+(,[\x21-\x2b\x2d-\x7e]+)*$/)
          else if (lower === 'surrogate-key') expect(value).toMatch(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/)
          else {
            expect(lower === 'cache-control' || isCdnField(lower), name).toBe(true)
            expect(value).not.toBe('')
            for (const member of members(value)) expect(member).toMatch(MEMBER)
            // RFC 9213 §2: a dictionary of structured fields, whose keys are in small letters, and none twice.
            const keys = members(value).map((member) => member.split('=')[0] as string)
            if (lower !== 'cache-control') for (const key of keys) expect(key).toMatch(/^[a-z*][a-z0-9_.*-]*$/)
            if (lower !== 'cache-control') expect(new Set(keys).size).toBe(keys.length)
          }
          expect(valuesOf(after, lower)).toHaveLength(1)
        }
        const { vendor } = (document as { cdn: { vendor: keyof typeof names } }).cdn
        const isUntouched = changed.length === 0
        for (const [name] of after) {
          if (isUntouched || !(isCdnField(name) || /^(surrogate-key|cache-tag)$/i.test(name))) continue
          expect(names[vendor]).toContain(name.toLowerCase())
        }
        for (const value of [...valuesOf(after, 'surrogate-key'), ...valuesOf(after, 'cache-tag')]) {
          expect(value.length).toBeLessThanOrEqual(16_384)
        }
      }),
      RUNS,
    )
  })

  it('what says nothing of caching passes untouched: validators, ranges, lengths, cookies, types', () => {
    fc.assert(
      fc.property(policy, exchange, (document, one) => {
        const rest = (fields: readonly Field[]) =>
          fields.filter(
            ([name]) =>
              !isCdnField(name) && !/^(cache-control|expires|pragma|surrogate-key|cache-tag|vary)$/i.test(name),
          )
        expect(rest(written(compiled(document), one))).toEqual(rest(one.fields))
      }),
      RUNS,
    )
  })

  it('a 304 and a HEAD are told what the whole reply to GET is told', () => {
    fc.assert(
      fc.property(policy, exchange, (document, one) => {
        const policies = compiled(document)
        const whole = written(policies, { ...one, method: 'GET', status: 200 })
        expect(written(policies, { ...one, method: 'HEAD', status: 200 })).toEqual(whole)
        const [said] = valuesOf(one.fields, 'content-type')
        // Of a path that tells nothing, and several parts or none at all, nobody can tell the type.
        if ((said !== undefined && !said.startsWith('multipart')) || /\.(png|js)$/.test(one.path)) {
          expect(written(policies, { ...one, method: 'GET', status: 304 })).toEqual(whole)
          expect(written(policies, { ...one, method: 'GET', status: 206 })).toEqual(whole)
        }
      }),
      RUNS,
    )
  })
})
