import { type CachingFacts, writeCaching } from '../../proxy/cdn/reply-caching.ts'
import type { CompiledPolicy } from '../../proxy/state/policy/compile.ts'
import { TestPolicies } from '../../proxy/testing/policies.ts'
import type { MicroCase } from './micro-cases.ts'
import { PATHS, REQUEST_HEADERS } from './request.ts'

const NO_RULE = new TestPolicies({}).active
const PUBLIC = new TestPolicies({
  routes: { all: { match: { path: '/*' }, cache: { visibility: 'public', maxAgeSeconds: 60, tags: ['site'] } } },
  cdn: { vendor: 'cloudflare' },
}).active

const facts: CachingFacts = {
  method: 'GET',
  path: '/small',
  emergency: 'calm',
  request: {
    method: 'GET',
    target: PATHS.small,
    httpVersionMinor: 1,
    rawHeaders: REQUEST_HEADERS.filter(([name]) => name !== 'Cookie').flat(),
    framing: { isChunked: false, length: undefined },
  },
}

const SILENT = [
  ...['Server', 'nginx/1.22.1', 'Date', 'Sun, 22 Nov 2026 10:15:30 GMT', 'Content-Type', 'application/json'],
  ...['Content-Length', '200', 'ETag', '"5f2c-61a0"', 'X-Content-Type-Options', 'nosniff'],
]
const SAYING = [...SILENT, 'Cache-Control', 'public, max-age=60', 'Vary', 'Accept-Encoding']

/** A reply that is written on; its fields are copied each time, as a parser makes them, which is part of the time. */
const write = ({ routes, caching }: CompiledPolicy): ((fields: readonly string[]) => readonly string[]) => {
  const rules = routes.find('GET', facts.path)?.caching ?? caching
  return (fields) => {
    const headers = [...fields]
    writeCaching(rules, facts, { status: 200, statusText: 'OK', headers })
    return headers
  }
}

const withoutRule = write(NO_RULE)
const withRule = write(PUBLIC)

export const cachingCases: readonly MicroCase[] = [
  { name: 'caching, nothing done (copies a reply)', run: () => [...SILENT] },
  { name: 'caching, no rule, app says nothing', run: () => withoutRule(SILENT) },
  { name: 'caching, no rule, app says public', run: () => withoutRule(SAYING) },
  { name: 'caching, public rule with tags, app says nothing', run: () => withRule(SILENT) },
  { name: 'caching, public rule with tags, app says public', run: () => withRule(SAYING) },
]
