import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRecord, recordOf, standingOf } from './emergency-record.ts'
import { CALM, type Standing } from './machine.ts'

const NOW = { wallMs: Date.parse('2026-01-01T00:00:00Z'), monotonicMs: 5_000_000 }
const AUTHOR = { id: 'i', by: 'ada', instance: 'a', why: 'w', orderedAtMs: 3 }

const past = fc.integer({ min: 0, max: NOW.monotonicMs })
const end = fc.option(fc.integer({ min: NOW.monotonicMs, max: 2 * NOW.monotonicMs }), { nil: Number.POSITIVE_INFINITY })
const standings: fc.Arbitrary<Standing> = fc.oneof(
  fc.record({
    state: fc.constant('calm' as const),
    mode: fc.constant('auto' as const),
    sinceMs: past,
    isSpent: fc.boolean(),
  }),
  fc.record({ state: fc.constant('calm' as const), mode: fc.constant('off' as const), sinceMs: past, untilMs: end }),
  fc.record({
    state: fc.constant('emergency' as const),
    mode: fc.constant('on' as const),
    sinceMs: past,
    untilMs: end,
  }),
  fc.record({
    state: fc.constantFrom<('emergency' | 'recovering')[]>('emergency', 'recovering'),
    mode: fc.constant('auto' as const),
    sinceMs: past,
    beganMs: past,
  }),
)

const stored = (standing: Standing) => {
  const record = parseRecord(JSON.stringify(recordOf(standing, AUTHOR, NOW)))
  if (record === undefined) throw new Error('cannot be read')
  return record
}

/** By so much later than `NOW`. */
const shifted = (standing: Standing, byMs: number): Standing =>
  ({
    ...standing,
    sinceMs: standing.sinceMs + byMs,
    ...('beganMs' in standing && { beganMs: standing.beganMs + byMs }),
    ...('untilMs' in standing && { untilMs: standing.untilMs + byMs }),
  }) as Standing

describe('a record', () => {
  it('means what was written, also after a restart, on a clock that begins anew', () => {
    fc.assert(
      fc.property(standings, fc.integer({ min: 0, max: 1e9 }), (standing, downMs) => {
        const restarted = { wallMs: NOW.wallMs + downMs, monotonicMs: 17 }
        const read = standingOf(stored(standing), restarted, true)
        expect(read).toEqual(shifted(standing, 17 - NOW.monotonicMs - downMs))
      }),
    )
  })

  it('that is heard of while one runs was made just now, whatever the clocks say', () => {
    fc.assert(
      fc.property(standings, fc.integer({ min: -1e9, max: 1e9 }), (standing, skewMs) => {
        const hearer = { wallMs: NOW.wallMs + skewMs, monotonicMs: 17 }
        expect(standingOf(stored(standing), hearer, false)).toEqual(shifted(standing, 17 - NOW.monotonicMs))
      }),
    )
  })

  it('that a clock which went back makes one of the future, was made just now', () => {
    const { sinceMs } = standingOf(
      stored({ ...CALM, sinceMs: NOW.monotonicMs } as Standing),
      { wallMs: 0, monotonicMs: 17 },
      true,
    )
    expect(sinceMs).toBe(17)
  })

  it('of what has always been can be written', () => {
    expect(recordOf(CALM, AUTHOR, NOW)).toMatchObject({ since: '2026-01-01T00:00:00.000Z' })
  })

  it.each([
    '',
    'null',
    '{}',
    '[]',
    '7',
    '{"state":"panic"}',
    JSON.stringify({ ...recordOf(CALM, AUTHOR, NOW), since: 'x' }),
  ])('is not made of %s', (body) => {
    expect(parseRecord(body)).toBeUndefined()
  })
})
