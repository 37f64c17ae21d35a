import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { correlation } from './correlation.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const OUR_TRACE = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

const cased = (name: string) => fc.constantFrom(name, name.toLowerCase(), name.toUpperCase())
const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
const latin1 = fc.stringMatching(/^[\t -~\x80-\xff]{0,300}$/)

const acceptedId = fc.stringMatching(/^[A-Za-z0-9._-]{1,128}$/)
const isAccepted = (id: string): boolean => id.length <= 128 && /^[A-Za-z0-9._-]+$/.test(id)

/** Fields round the ones that matter, in the shape of `rawHeaders`. */
const withNoise = (fields: readonly string[], noise: [string, string][]): string[] => [
  ...['Host', 'a.example', 'X-Request-IDs', 'other', 'X-Request-I', 'other'],
  ...fields,
  ...noise.flat(),
]
const noise = fc.array(fc.tuple(fc.constantFrom('Accept', 'Cookie', 'tracestate'), latin1), { maxLength: 3 })

describe('Property 6, of one request: its ID', () => {
  it('is the one that came, where it came once and is fit', () => {
    fc.assert(
      fc.property(acceptedId, cased('X-Request-ID'), noise, (id, name, around) => {
        const { requestId, clientRequestId } = correlation(withNoise([name, id], around))
        expect(requestId).toBe(id)
        expect(clientRequestId).toBeUndefined()
      }),
    )
  })

  it('is a UUIDv7 where one came that is not fit, which is kept for the log alone and not at any length', () => {
    const unfit = fc.oneof(
      latin1.filter((id) => !isAccepted(id)),
      fc.stringMatching(/^[a-z]{129,400}$/),
      fc.constantFrom('', ' ', 'a b', 'a,b', 'a\tb', '\xe9', '{}', '"a"', '<a>', '../a', 'a;b'),
    )
    fc.assert(
      fc.property(unfit, cased('X-Request-ID'), noise, (id, name, around) => {
        const { requestId, clientRequestId } = correlation(withNoise([name, id], around))
        expect(requestId).toMatch(UUID_V7)
        expect(clientRequestId).toBe(id.slice(0, 200))
      }),
    )
  })

  it('is a UUIDv7 where several came, even the same one twice', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(acceptedId, latin1), { minLength: 2, maxLength: 4 }), noise, (ids, around) => {
        const { requestId, clientRequestId } = correlation(
          withNoise(
            ids.flatMap((id) => ['X-Request-ID', id]),
            around,
          ),
        )
        expect(requestId).toMatch(UUID_V7)
        expect(clientRequestId).toBe(ids.join(', ').slice(0, 200))
      }),
    )
  })

  it('is a UUIDv7 of its own where none came', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), noise, (requests, around) => {
        const ids = Array.from({ length: requests }, () => correlation(withNoise([], around)))
        for (const { requestId, clientRequestId } of ids) {
          expect(requestId).toMatch(UUID_V7)
          expect(clientRequestId).toBeUndefined()
        }
        expect(new Set(ids.map(({ requestId }) => requestId)).size).toBe(requests)
      }),
    )
  })

  it('is minted anew for each request that needs one, over a hundred thousand of them', () => {
    const ids = new Set(Array.from({ length: 100_000 }, () => correlation([]).requestId))
    expect(ids.size).toBe(100_000)
  })

  it('has the time of its minting in front', () => {
    const before = Date.now()
    const ms = Number.parseInt(correlation([]).requestId.replaceAll('-', '').slice(0, 12), 16)
    expect(ms).toBeGreaterThanOrEqual(before)
    expect(ms).toBeLessThanOrEqual(Date.now())
  })
})

describe('Property 6, of one request: its trace', () => {
  const traceId = hex(32).filter((id) => id !== '0'.repeat(32))
  const spanId = hex(16).filter((id) => id !== '0'.repeat(16))

  it("is the caller's, with a new span and its flags, where one traceparent of version 00 came", () => {
    fc.assert(
      fc.property(traceId, spanId, hex(2), cased('traceparent'), noise, (trace, span, flags, name, around) => {
        const made = correlation(withNoise([name, `00-${trace}-${span}-${flags}`], around)).trace
        expect(made).toMatchObject({ traceId: trace, continued: true })
        expect(made.traceparent).toMatch(OUR_TRACE)
        expect(made.traceparent.slice(0, 36)).toBe(`00-${trace}-`)
        expect(made.traceparent.slice(36, 52)).not.toBe(span)
        expect(made.traceparent.slice(-3)).toBe(`-${flags}`)
      }),
    )
  })

  it("is the caller's, sent on as version 00, where it came in a version of the future", () => {
    const version = hex(2).filter((text) => text !== '00' && text !== 'ff')
    const extra = fc.constantFrom('', '-', '-what-may-come')
    fc.assert(
      fc.property(version, traceId, spanId, hex(2), extra, (later, trace, span, flags, more) => {
        const made = correlation(['traceparent', `${later}-${trace}-${span}-${flags}${more}`]).trace
        expect(made).toMatchObject({ traceId: trace, continued: true })
        expect(made.traceparent).toMatch(OUR_TRACE)
        expect(Number.parseInt(made.traceparent.slice(-2), 16)).toBe(Number.parseInt(flags, 16) & 1)
      }),
    )
  })

  it('is a new one where what came is malformed, came more than once, or did not come', () => {
    const valid = fc.tuple(traceId, spanId, hex(2)).map(([trace, span, flags]) => `00-${trace}-${span}-${flags}`)
    const malformed = fc.oneof(
      latin1.filter((text) => !/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/.test(text)),
      valid.map((text) => text.replace(/^00/, 'ff')),
      valid.map((text) => `${text}-extra`),
      valid.map((text) => `${text}0`),
      valid.map((text) => ` ${text}`),
      valid.map((text) => text.toUpperCase()).filter((text) => /[A-F]/.test(text)),
      valid.map((text) => text.replaceAll('-', '_')),
      fc.tuple(spanId, hex(2)).map(([span, flags]) => `00-${'0'.repeat(32)}-${span}-${flags}`),
      fc.tuple(traceId, hex(2)).map(([trace, flags]) => `00-${trace}-${'0'.repeat(16)}-${flags}`),
    )
    const fields = fc.oneof(
      malformed.map((text) => ['traceparent', text]),
      fc.tuple(valid, valid).map(([one, two]) => ['traceparent', one, 'TraceParent', two]),
      valid.map((text) => ['traceparent', text, 'traceparent', text]),
      fc.constant<string[]>([]),
    )
    fc.assert(
      fc.property(fields, noise, (sent, around) => {
        const { trace } = correlation(withNoise(sent, around))
        expect(trace.continued).toBe(false)
        expect(trace.traceparent).toMatch(OUR_TRACE)
        expect(trace.traceparent.slice(3, 35)).toBe(trace.traceId)
        expect(sent.join()).not.toContain(trace.traceId)
      }),
    )
  })
})
