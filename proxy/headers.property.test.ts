import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ForwardedFacts, keptTrailers, replyHeaders, requestHeaders } from './headers.ts'

/** Names with meaning for the proxy among those with none, so that they meet. */
const name = fc
  .oneof(
    fc.constantFrom('X-A', 'X-B', 'Accept', 'Cookie', 'Set-Cookie', 'Authorization', 'Content-Length', 'Content-Type'),
    fc.constantFrom('Connection', 'Keep-Alive', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade', 'Expect', 'Host'),
    fc.constantFrom('Forwarded', 'X-Forwarded-For', 'X-Request-ID', 'traceparent', 'tracestate', 'X-Real-IP'),
    fc.stringMatching(/^[A-Za-z0-9-]{1,12}$/),
  )
  .chain((text) => fc.constantFrom(text, text.toLowerCase(), text.toUpperCase()))

const value = fc.oneof(
  fc.array(name, { maxLength: 4 }).map((names) => names.join(', ')), // as Connection has it
  fc.constantFrom('', 'close', 'keep-alive', 'trailers', 'gr\xfc\xdfe'),
  fc.stringMatching(/^[ -~]{0,20}$/),
)

const fields = fc.array(fc.tuple(name, value), { maxLength: 16 })

const flat = (pairs: readonly (readonly [string, string])[]): string[] => pairs.flat()

const pairs = (headers: readonly string[]): [string, string][] =>
  Array.from({ length: headers.length / 2 }, (_, index) => [headers[2 * index] ?? '', headers[2 * index + 1] ?? ''])

/** A second, slower reading of RFC 9110 §7.6.1. */
const nominatedIn = (sent: readonly (readonly [string, string])[]): string[] =>
  sent
    .filter(([key]) => /^connection$/i.test(key))
    .flatMap(([, text]) => text.split(','))
    .map((token) => token.trim().toLowerCase())

const isSubsequence = (part: readonly [string, string][], all: readonly (readonly [string, string])[]): boolean => {
  let at = 0
  for (const [key, text] of all) if (part[at]?.[0] === key && part[at]?.[1] === text) at++
  return at === part.length
}

const facts: ForwardedFacts = {
  host: 'the.host',
  forwardedFor: 'the address',
  scheme: 'https',
  requestId: 'the ID',
  traceparent: 'the trace',
  keepsTraceState: false,
}
const OURS: [string, string][] = [
  ['Host', facts.host],
  ['X-Forwarded-For', facts.forwardedFor],
  ['X-Forwarded-Host', facts.host],
  ['X-Forwarded-Proto', facts.scheme],
  ['X-Request-ID', facts.requestId],
  ['traceparent', facts.traceparent],
]
const HOP_BY_HOP = /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|expect|te)$/i

describe('whatever fields come', () => {
  it('a request goes on with each fact said once, by the proxy', () => {
    fc.assert(
      fc.property(fields, fc.boolean(), (sent, keepsTraceState) => {
        const forwarded = pairs(requestHeaders(flat(sent), { ...facts, keepsTraceState }))
        expect(forwarded.slice(-OURS.length)).toEqual(OURS)
        const named = new Set(OURS.map(([key]) => key.toLowerCase()))
        const before = forwarded.slice(0, -OURS.length)
        expect(before.filter(([key]) => named.has(key.toLowerCase()))).toEqual([])
        expect(before.filter(([key]) => /^(forwarded|x-real-ip)$/i.test(key))).toEqual([])
        const states = before.filter(([key]) => key.toLowerCase() === 'tracestate').map(([, text]) => text)
        const sentStates = sent.filter(([key]) => key.toLowerCase() === 'tracestate').map(([, text]) => text)
        expect(states).toEqual(keepsTraceState ? sentStates : [])
      }),
    )
  })

  it('nothing of the connection crosses, and nothing that it names, either way', () => {
    fc.assert(
      fc.property(fields, (sent) => {
        const nominated = nominatedIn(sent)
        const ours = new Set(['tracestate']) // put back by a rule of its own
        const up = pairs(requestHeaders(flat(sent), facts)).slice(0, -OURS.length)
        const down = pairs(replyHeaders(flat(sent), 200))
        for (const [key] of up) {
          expect(key).not.toMatch(HOP_BY_HOP)
          if (!ours.has(key.toLowerCase())) expect(nominated).not.toContain(key.toLowerCase())
        }
        for (const [key] of down) {
          expect(key).not.toMatch(/^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade)$/i)
          expect(nominated).not.toContain(key.toLowerCase())
        }
        for (const [key] of pairs(keptTrailers(flat(sent), flat(sent)))) {
          expect(key).not.toMatch(/^(connection|transfer-encoding|content-length|set-cookie|authorization|host)$/i)
          expect(nominated).not.toContain(key.toLowerCase())
        }
      }),
    )
  })

  it('what crosses keeps its order, its case and its value, and what has no special meaning all crosses', () => {
    fc.assert(
      fc.property(fields, (sent) => {
        const nominated = new Set(nominatedIn(sent))
        const plain = (list: readonly (readonly [string, string])[]) =>
          list.filter(([key]) => /^(x-a|x-b|accept|cookie|set-cookie|authorization|content-type)$/i.test(key))
        const isKept = ([key]: readonly [string, string]) => !nominated.has(key.toLowerCase())
        const up = pairs(requestHeaders(flat(sent), facts)).slice(0, -OURS.length)
        const down = pairs(replyHeaders(flat(sent), 200))
        expect(plain(up)).toEqual(plain(sent).filter(isKept))
        expect(plain(down)).toEqual(plain(sent).filter(isKept))
        expect(
          isSubsequence(
            up.filter(([key]) => !/^tracestate$/i.test(key)),
            sent,
          ),
        ).toBe(true)
        expect(isSubsequence(down, sent)).toBe(true)
      }),
    )
  })
})
