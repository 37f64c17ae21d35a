import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CONTENT_KINDS } from '../../cdn/content-kind.ts'
import type { KeptReply } from '../kept-reply.ts'
import { readReplies, writeReplies } from './reply-bytes.ts'

const text = fc.string({ unit: 'binary', maxLength: 20 }).map((raw) => raw.replace(/[\r\n\0]/g, '_'))
const seconds = fc.nat(1_000_000)
const reply: fc.Arbitrary<KeptReply> = fc.record({
  status: fc.constantFrom(200, 203, 301, 308),
  statusText: text,
  headers: fc.array(fc.tuple(text, text), { maxLength: 5 }).map((fields) => fields.flat()),
  body: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  pathAndQuery: text,
  tags: fc.array(text, { maxLength: 3 }),
  vary: fc.array(fc.record({ lowerName: text, value: text }), { maxLength: 3 }),
  receivedAtMs: fc.integer({ min: -1_000_000, max: 1_000_000 }),
  ageSeconds: seconds,
  freshSeconds: fc.option(seconds, { nil: undefined }),
  servableSeconds: fc.oneof(seconds, fc.constant(Number.POSITIVE_INFINITY)),
  kind: fc.constantFrom(...CONTENT_KINDS),
  isSaid: fc.boolean(),
})
const replies = fc.array(reply, { minLength: 1, maxLength: 8 })

describe('replies as bytes', () => {
  it('are read as they were written, and have grown older meanwhile', () => {
    fc.assert(
      fc.property(replies, fc.nat(100_000), fc.nat(1_000_000), (written, passedMs, readAtMs) => {
        const writtenAtMs = 1_000_000 // nothing has come later
        const bytes = writeReplies(written, writtenAtMs)
        expect(readReplies(bytes, passedMs, readAtMs)).toEqual(
          written.map((one) => ({ ...one, receivedAtMs: readAtMs - passedMs - (writtenAtMs - one.receivedAtMs) })),
        )
      }),
    )
  })

  it('that are not whole are none', () => {
    fc.assert(
      fc.property(replies, fc.nat(), (written, at) => {
        const bytes = writeReplies(written, 1_000_000)
        expect(readReplies(bytes.subarray(0, at % bytes.length), 0, 0)).toBeUndefined()
        expect(readReplies(Buffer.concat([bytes, Buffer.from('x')]), 0, 0)).toBeUndefined()
      }),
    )
  })

  it('bytes that are no replies are never an error, and never a field that ends its reply', () => {
    const bad = (change: Partial<KeptReply>): Buffer =>
      writeReplies([{ ...(fc.sample(reply, 1)[0] as KeptReply), ...change }], 1_000_000)
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(readReplies(Buffer.from(bytes), 0, 0)).toBeUndefined()
      }),
    )
    expect(readReplies(bad({ headers: ['X-A', 'b\r\nSet-Cookie: c=d'] }), 0, 0)).toBeUndefined()
    expect(readReplies(bad({ headers: ['X-A'] }), 0, 0)).toBeUndefined()
    expect(readReplies(bad({ statusText: 'OK\n' }), 0, 0)).toBeUndefined()
    expect(readReplies(bad({ status: 101 }), 0, 0)).toBeUndefined()
    expect(readReplies(Buffer.from('{"layout":2,"replies":[]}\n'), 0, 0)).toBeUndefined()
  })
})
