import { continueTrace, mintRequestId } from '#shared/correlation.ts'
import { correlation } from '../../proxy/facts/correlation.ts'
import { replyHeaders, requestHeaders } from '../../proxy/headers.ts'
import { framing } from '../../proxy/http1/framing.ts'
import type { RequestStart } from '../../proxy/http1/request-reader.ts'
import { RouteTable } from '../../proxy/state/policy/route-table.ts'
import { malformation, requestTarget } from '../../proxy/well-formed.ts'
import { PATHS, REQUEST_HEADERS } from './request.ts'

/** A pure part of the request path. What `run` gives is kept, so that no compiler can leave the work out. */
export interface MicroCase {
  readonly name: string
  /** @param turn counts up, so that not every call is about the same */
  run(turn: number): unknown
}

/** As parsed, one copy for each turn of eight: strings of their own, as a parser makes them. */
const requests = Array.from({ length: 8 }, (_, turn) => [...REQUEST_HEADERS.flat(), 'X-Turn', String(turn)])

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const traced = requests.map((fields) => [...fields, 'traceparent', TRACEPARENT, 'X-Request-ID', 'client-request-1'])

const replies = Array.from({ length: 8 }, (_, turn) => [
  ...['Server', 'nginx/1.22.1', 'Date', `Sun, 22 Nov 2026 10:15:3${turn} GMT`, 'Content-Type', 'application/json'],
  ...['Content-Length', '200', 'Connection', 'keep-alive', 'Cache-Control', 'public, max-age=60'],
  ...['ETag', '"5f2c-61a0"', 'Vary', 'Accept-Encoding', 'X-Content-Type-Options', 'nosniff'],
])

const facts = {
  host: 'api.example.com',
  forwardedFor: '127.0.0.1',
  scheme: 'http',
  requestId: mintRequestId(),
  traceparent: TRACEPARENT,
  keepsTraceState: false,
} as const

const parsed = requests.map(
  (rawHeaders): RequestStart => ({
    method: 'GET',
    target: PATHS.small,
    httpVersionMinor: 1,
    rawHeaders,
    framing: framing(rawHeaders, 1),
  }),
)

const of = <T>(list: readonly T[], turn: number): T => list[turn & 7] as T

const hundredRoutes = new RouteTable(
  Array.from({ length: 100 }, (_, index) => [{ path: `/things-${index}/:id/parts/*` }, index] as const),
)

export const microCases: readonly MicroCase[] = [
  { name: 'malformation', run: (turn) => malformation(of(parsed, turn)) },
  { name: 'requestTarget', run: () => requestTarget('GET', PATHS.small, 'api.example.com') },
  { name: 'correlation, nothing given', run: (turn) => correlation(of(requests, turn)) },
  { name: 'correlation, ID and trace given', run: (turn) => correlation(of(traced, turn)) },
  { name: 'mintRequestId', run: () => mintRequestId() },
  { name: 'continueTrace, none given', run: () => continueTrace(undefined) },
  { name: 'continueTrace, one given', run: () => continueTrace(TRACEPARENT) },
  { name: 'requestHeaders', run: (turn) => requestHeaders(of(requests, turn), facts) },
  { name: 'route, of 100', run: (turn) => hundredRoutes.find('GET', `/things-${turn % 100}/42/parts/7`) },
  { name: 'replyHeaders', run: (turn) => replyHeaders(of(replies, turn), 200) },
]
