import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addressText } from '../../facts/ip-address.ts'
import { formatCidr, parseCidr } from '../addresses/cidr.ts'
import { blockLine, readBlockLines } from './block-lines.ts'
import { plainReason, REASON_LIMIT } from './block-text.ts'

const range = fc
  .oneof(
    fc.tuple(fc.nat(0xffff_ffff).map(addressText), fc.integer({ min: 8, max: 32 })),
    fc.tuple(
      fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }).map(addressText),
      fc.integer({ min: 19, max: 128 }),
    ),
  )
  .map(([text, bits]) => parseCidr(`${text}/${bits}`))
  .filter((cidr) => cidr !== undefined)
  // Of an IPv4-mapped address the bits are others.
  .filter(({ address, bits }) => typeof address !== 'number' || bits >= 8)
  .map(formatCidr)

const block = fc.record({
  range,
  untilMs: fc.oneof(
    fc.constant(Number.POSITIVE_INFINITY),
    fc.integer({ min: 0, max: Date.UTC(9999, 11, 30) }),
    fc.double({ min: 0, max: 4e12, noNaN: true }),
  ),
  reason: fc
    .oneof(
      fc.string({ unit: 'binary', maxLength: 2 * REASON_LIMIT, size: 'max' }),
      fc.constantFrom('permanent', '# no comment', '2026-12-01T00:00:00Z', '192.0.2.7', ''),
    )
    .map(plainReason),
})

const reading = { isEndGiven: false, confirmed: [], linesLimit: 1_000 }

it('what is exported is read as the same ranges, ends and reasons, in their order', () => {
  fc.assert(
    fc.property(fc.array(block, { maxLength: 20 }), (blocks) => {
      expect(readBlockLines(blocks.map(blockLine).join(''), reading)).toEqual({
        kind: 'read',
        lines: blocks.map((one) => ({
          ...one,
          untilMs: Number.isFinite(one.untilMs) ? Math.trunc(one.untilMs) : one.untilMs,
        })),
      })
    }),
  )
})

it('any text is read, or has its problems told by line, each time the same', () => {
  const word = fc.oneof(
    range,
    fc.string({ unit: 'binary' }),
    fc.constantFrom('permanent', '2026-12-01T00:00:00Z', '2026-99-99T99:99:99Z', '#', '\r', '\t', ' '),
  )
  const text = fc
    .array(fc.tuple(word, fc.constantFrom(' ', '\n', '\r\n')).map((parts) => parts.join('')))
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, (some) => {
      const found = readBlockLines(some, { ...reading, isEndGiven: true })
      if (found.kind === 'bad') {
        for (const { path, message } of found.problems) expect(`${path}: ${message}`).toMatch(/^line [1-9]\d*: .+/)
      } else {
        const again = found.lines.map((line) =>
          blockLine({ ...line, untilMs: line.untilMs ?? Number.POSITIVE_INFINITY }),
        )
        expect(readBlockLines(again.join(''), reading).kind).toBe('read')
      }
    }),
  )
})
