import { describe, expect, it } from 'vitest'
import { type BlockLinesReading, blockLine, readBlockLines, slicesOfBlockLines } from './block-lines.ts'

const read = (text: string, reading: Partial<BlockLinesReading> = {}) =>
  readBlockLines(text, { isEndGiven: true, confirmed: [], linesLimit: 1_000, ...reading })

const problemOf = (text: string, reading?: Partial<BlockLinesReading>): string => {
  const found = read(text, reading)
  return found.kind === 'bad' ? found.problems.map(({ path, message }) => `${path}: ${message}`).join('\n') : 'none'
}

describe('lines of blocks', () => {
  it('have a range, and may have an end and a reason', () => {
    const text = [
      ...['# of the fair', '', '192.0.2.7', '198.51.100.9/24 permanent scrapes  everything', '\t2001:DB8::1/48 why\r'],
      ...[
        '::ffff:192.0.2.8 2026-12-01T00:00Z',
        '203.0.113.0/24 2026-12-01T00:00:01.5Z permanent',
        '10.0.0.0/8 forever',
      ],
    ].join('\n')
    const untilMs = undefined
    expect(read(text)).toEqual({
      kind: 'read',
      lines: [
        { range: '192.0.2.7', untilMs, reason: '' },
        { range: '198.51.100.0/24', untilMs: Number.POSITIVE_INFINITY, reason: 'scrapes everything' },
        { range: '2001:db8::/48', untilMs, reason: 'why' },
        { range: '192.0.2.8', untilMs: Date.UTC(2026, 11, 1), reason: '' },
        { range: '203.0.113.0/24', untilMs: Date.UTC(2026, 11, 1, 0, 0, 1, 500), reason: 'permanent' },
        { range: '10.0.0.0/8', untilMs, reason: 'forever' },
      ],
    })
  })

  it.each([
    ['example.com', 'line 1: "example.com" is no address and no range: expected one as in 192.0.2.7'],
    ['\n\n192.0.2.0/33', 'line 3: "192.0.2.0/33" is no address'],
    ['fe80::1%eth0', 'line 1: "fe80::1%eth0" is no address'],
    [`${'x'.repeat(1_000)}`, `line 1: "${'x'.repeat(60)}" is no address`],
    ['192.0.2.7 2026-13-01T00:00:00Z', 'line 1: "2026-13-01T00:00:00Z" is a time that there is not'],
    ['192.0.2.7 2026-02-30T00:00:00Z', 'line 1: "2026-02-30T00:00:00Z" is a time that there is not'],
    ['192.0.2.7 2026-02-28T24:00:00Z', 'line 1: "2026-02-28T24:00:00Z" is a time that there is not'],
    [`192.0.2.7 ${'r '.repeat(4_000_000)}`, 'line 1: is longer than 1024 characters: write one address'],
    [`192.0.2.7 ${'r'.repeat(201)}`, 'line 1: the reason is longer than 200 characters'],
    ['192.0.2.7 a\u001b[2J', 'line 1: the reason has control or invisible characters'],
    ['192.0.2.7 a\u202eb', 'line 1: the reason has control or invisible characters'],
    ['0.0.0.0/0', 'line 1: 0.0.0.0/0 is wider than /8: where it is meant, say so with confirm=0.0.0.0/0'],
    ['2001::/18', 'line 1: 2001::/18 is wider than /19'],
    ['::ffff:0:0/96', 'line 1: 0.0.0.0/0 is wider than /8'],
  ])('%j are refused by their number, with what would do', (text, message) => {
    expect(problemOf(text)).toMatch(new RegExp(`^${message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`))
  })

  it('must say when they end, where nothing else does', () => {
    expect(problemOf('192.0.2.7 a reason', { isEndGiven: false })).toMatch(
      /^line 1: does not say when it ends: write a time/,
    )
    expect(problemOf('192.0.2.7 permanent a reason', { isEndGiven: false })).toBe('none')
  })

  it('may hold a wide range that is confirmed, and no other', () => {
    expect(problemOf('0.0.0.0/4\n2000::/3', { confirmed: ['0.0.0.0/4'] })).toMatch(/^line 2: 2000::\/3 is wider than/)
  })

  it('are too many above the limit, passed over ones not counted', () => {
    const lines = ['# one', '192.0.2.1', '', '192.0.2.2']
    expect(problemOf(lines.join('\n'), { linesLimit: 2 })).toBe('none')
    expect(problemOf([...lines, '192.0.2.3'].join('\n'), { linesLimit: 2 })).toBe(
      'line 5: there are more than 2 lines: split them',
    )
  })

  it('have all of their problems told, up to the first hundred', () => {
    const found = read(Array.from({ length: 150 }, (_, index) => `${index === 0 ? '192.0.2.7' : 'x'}`).join('\n'))
    expect(found.kind === 'bad' && [found.problems.length, found.problems[0]?.path]).toEqual([100, 'line 2'])
  })

  it('let others have their turn, where all are passed over, too', () => {
    for (const line of ['192.0.2.7', '']) {
      const text = Array(10_000).fill(line).join('\n')
      const slices = slicesOfBlockLines(text, { isEndGiven: true, confirmed: [], linesLimit: 100_000 })
      let turns = 0
      while (slices.next().done !== true) turns++
      expect(turns).toBeGreaterThanOrEqual(20)
    }
  })

  it('are one line each, whatever their reason is', () => {
    const block = {
      range: '192.0.2.7',
      untilMs: Number.POSITIVE_INFINITY,
      reason: ' a\n0.0.0.0/0 permanent\u2028b\u001b ',
    }
    expect(blockLine(block)).toBe('192.0.2.7 permanent a 0.0.0.0/0 permanent b\n')
    expect(blockLine({ ...block, untilMs: 8.64e18, reason: '' })).toBe('192.0.2.7 permanent\n')
  })
})
