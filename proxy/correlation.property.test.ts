import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestPolicies } from './testing/policies.ts'
import { rawClient } from './testing/raw-client.ts'
import { type RawReply, rawReplies, values } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

/** The fields of the last request that the app got. */
let arrived: string[] | undefined

let upstream: TestUpstream
let proxy: TestProxy
/** In front of an app that is not there. */
let lonely: TestProxy

beforeAll(async () => {
  upstream = await startUpstream((request, response) => {
    arrived = request.rawHeaders
    const status = Number(request.url?.slice(1))
    if (request.url === '/hang') return
    if (request.url === '/reset') {
      request.socket.destroy()
      return
    }
    response.writeHead(status, { 'X-Request-ID': 'of the app', traceparent: 'of the app' }).end('from the app')
  })
  // Failures are what is asked for: no circuit is to stand in their place.
  const unwatched = new TestPolicies({ operations: { read: { breaker: false }, write: { breaker: false } } })
  proxy = await startProxy(upstream.url, { UPSTREAM_HEADERS_TIMEOUT_MS: '50' }, unwatched)
  const gone = await startUpstream(() => undefined)
  await gone.close()
  lonely = await startProxy(gone.url, {}, unwatched)
})

afterAll(async () => {
  await proxy.close()
  await lonely.close()
  await upstream.close()
})

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const OUR_TRACE = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** How an exchange may end. */
interface Ending {
  readonly status: number
  readonly requestLine: string
  readonly fields?: string
  readonly from?: 'lonely'
  /** The bytes are no request, so that nothing in them counts. */
  readonly isUnparsed?: true
}

const endings: readonly Ending[] = [
  { status: 200, requestLine: 'GET /200 HTTP/1.1' },
  { status: 201, requestLine: 'POST /201 HTTP/1.1' },
  { status: 404, requestLine: 'GET /404 HTTP/1.1' },
  { status: 500, requestLine: 'GET /500 HTTP/1.1' },
  { status: 400, requestLine: 'GET /200 HTTP/1.1', fields: 'Host: b.example\r\n' },
  { status: 400, requestLine: 'GET * HTTP/1.1' },
  { status: 404, requestLine: 'GET /__sidegate/none HTTP/1.1' },
  { status: 501, requestLine: 'CONNECT a.example:443 HTTP/1.1' },
  { status: 414, requestLine: `GET /${'a'.repeat(9_000)} HTTP/1.1` },
  { status: 417, requestLine: 'GET /200 HTTP/1.1', fields: 'Expect: what-nobody-can\r\n' },
  { status: 502, requestLine: 'GET /200 HTTP/1.1', from: 'lonely' },
  { status: 502, requestLine: 'POST /reset HTTP/1.1' },
  { status: 504, requestLine: 'GET /hang HTTP/1.1' },
  { status: 400, requestLine: 'GET /200 HTTP/1.1', fields: 'A : b\r\n', isUnparsed: true },
  { status: 400, requestLine: 'GET /200 HTTP/1.2', isUnparsed: true },
  { status: 431, requestLine: 'GET /200 HTTP/1.1', fields: `A: ${'b'.repeat(40_000)}\r\n`, isUnparsed: true },
]

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
const visible = fc.stringMatching(/^[!-~]([ -~\x80-\xff]{0,40}[!-~])?$/)
const fitId = fc.stringMatching(/^[A-Za-z0-9._-]{1,128}$/)

const ids = fc.oneof(
  { weight: 3, arbitrary: fitId.map((id) => [id]) },
  visible.map((id) => [id]),
  fc.stringMatching(/^[a-z]{129,250}$/).map((id) => [id]),
  fc.constantFrom([], [''], ['a b'], ['a', 'a'], ['', 'a']),
  fc.array(fitId, { minLength: 2, maxLength: 3 }),
)

const validTrace = fc
  .tuple(
    hex(32).filter((id) => !/^0+$/.test(id)),
    hex(16).filter((id) => !/^0+$/.test(id)),
    hex(2),
  )
  .map(([trace, span, flags]) => `00-${trace}-${span}-${flags}`)

const traces = fc.oneof(
  { weight: 3, arbitrary: validTrace.map((text) => [text]) },
  validTrace.map((text) => [text.replace(/^00/, '01')]),
  validTrace.map((text) => [`${text.replace(/^00/, 'cc')}-more`]),
  validTrace.map((text) => [text.replace(/^00/, 'ff')]),
  validTrace.map((text) => [`${text}-more`]),
  validTrace.map((text) => [text, text]),
  visible.map((text) => [text]),
  fc.constantFrom(
    [],
    [''],
    [`00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`],
    [`00-${'1'.repeat(32)}-${'0'.repeat(16)}-01`],
  ),
)

const isFit = (id: string | undefined): id is string => id !== undefined && /^[A-Za-z0-9._-]{1,128}$/.test(id)

/** The trace that a caller's one field continues, by Trace Context §3.2. */
const continuedTrace = (sent: readonly string[]): string | undefined => {
  const [, version, trace, span, more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(sent[0] ?? '') ?? []
  if (sent.length !== 1 || trace === undefined || span === undefined || version === 'ff') return undefined
  if (/^0+$/.test(trace) || /^0+$/.test(span) || (version === '00' && more !== undefined)) return undefined
  return trace
}

const lines = (name: string, all: readonly string[]): string => all.map((text) => `${name}: ${text}\r\n`).join('')

const arrivedValues = (lowerName: string): string[] =>
  (arrived ?? []).filter((_part, index, all) => index % 2 === 1 && all[index - 1]?.toLowerCase() === lowerName)

const mintedIds = new Set<string>()

describe('Property 6: Correlation ID Propagation', () => {
  it.each(
    endings.map(
      (ending) =>
        [
          `${ending.status} to ${ending.requestLine.slice(0, 40)} ${ending.fields?.slice(0, 20).trim() ?? ''}`,
          ending,
        ] as const,
    ),
  )('%s', async (_title, ending) => {
    const through = ending.from === 'lonely' ? lonely : proxy
    await fc.assert(
      fc.asyncProperty(ids, traces, async (sentIds, sentTraces) => {
        arrived = undefined
        ;(through.lines as unknown[]).length = 0
        const client = await rawClient(through.port)
        client.send(
          `${ending.requestLine}\r\nHost: a.example\r\nConnection: close\r\n${lines('X-Request-ID', sentIds)}` +
            `${lines('traceparent', sentTraces)}tracestate: of=theCaller\r\n${ending.fields ?? ''}\r\n`,
        )
        const [reply] = rawReplies(await client.closed()) as [RawReply]
        const line = await through.line(({ correlationId }) => correlationId !== undefined)

        expect(reply.status).toBe(ending.status)
        const [id = '', ...otherIds] = values(reply, 'x-request-id')
        const [trace = '', ...otherTraces] = values(reply, 'traceparent')
        expect(otherIds).toEqual([])
        expect(otherTraces).toEqual([])

        // The ID is the client's, where it gave one that is fit; else it is a new one.
        const counts = ending.isUnparsed !== true
        const accepted = counts && sentIds.length === 1 && isFit(sentIds[0]) ? sentIds[0] : undefined
        if (accepted === undefined) {
          expect(id).toMatch(UUID_V7)
          expect(mintedIds).not.toContain(id)
          mintedIds.add(id)
        } else {
          expect(id).toBe(accepted)
        }

        // The trace is the caller's with a new span, or a new one.
        expect(trace).toMatch(OUR_TRACE)
        const continued = counts ? continuedTrace(sentTraces) : undefined
        const sentText = sentTraces.join()
        if (continued === undefined) expect(sentText).not.toContain(trace.slice(3, 35))
        else expect(trace.slice(3, 35)).toBe(continued)
        expect(sentText).not.toContain(trace.slice(36, 52))

        // The log says the same, in one line; what was not accepted is there and nowhere else.
        expect(through.lines).toEqual([line])
        expect(line).toMatchObject({ correlationId: id, traceId: trace.slice(3, 35), status: ending.status })
        const rejected = counts && accepted === undefined && sentIds.length > 0 ? sentIds.join(', ') : undefined
        expect(line.clientRequestId).toBe(rejected?.slice(0, 200))

        // The error body says the same.
        if (values(reply, 'content-type').includes('application/problem+json')) {
          expect(JSON.parse(reply.body).correlationId).toBe(id)
        } else {
          expect(reply.body).toBe('from the app')
        }

        // The app got the same, once.
        if (arrived !== undefined) {
          expect(arrivedValues('x-request-id')).toEqual([id])
          expect(arrivedValues('traceparent')).toEqual([trace])
          expect(arrivedValues('tracestate')).toEqual(continued === undefined ? [] : ['of=theCaller'])
        } else {
          expect(values(reply, 'content-type')).toEqual(['application/problem+json'])
        }
      }),
      { numRuns: ending.status === 504 ? 4 : 40 },
    )
  })
})
