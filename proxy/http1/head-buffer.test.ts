import { describe, expect, it } from 'vitest'
import { HeadBuffer } from './head-buffer.ts'
import { SectionTooLarge } from './malformed.ts'

const LIMIT = 100

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Gives the pieces to a buffer one after the other, up to the head's end. */
const take = (pieces: readonly string[]): { head: string | undefined; end: number; piece: number } => {
  const buffer = new HeadBuffer(LIMIT)
  let head: string | undefined
  let piece = 0
  for (; piece < pieces.length; piece++) {
    head = buffer.take(bytes(pieces[piece] as string), 0)
    if (head !== undefined) break
  }
  return { head, end: buffer.end, piece }
}

describe('a head is put together', () => {
  const HEAD = 'GET / HTTP/1.1\r\nA: \xff\0\r\n\r\n'

  it('from one piece, up to the empty line and with it', () => {
    expect(take([HEAD])).toEqual({ head: HEAD, end: HEAD.length, piece: 0 })
    expect(take([`${HEAD}body\r\n\r\n`])).toEqual({ head: HEAD, end: HEAD.length, piece: 0 })
  })

  it('from any two pieces, whatever comes behind it', () => {
    for (const behind of ['', 'b', '\r\n\r\n', HEAD]) {
      for (let cut = 1; cut < HEAD.length; cut++) {
        const pieces = [HEAD.slice(0, cut), HEAD.slice(cut) + behind]
        expect(take(pieces), `cut at ${cut}`).toEqual({ head: HEAD, end: HEAD.length - cut, piece: 1 })
      }
    }
  })

  it('from any three pieces, and from single octets', () => {
    for (let first = 1; first < HEAD.length - 1; first++) {
      for (let second = first + 1; second < HEAD.length; second++) {
        const pieces = [HEAD.slice(0, first), HEAD.slice(first, second), `${HEAD.slice(second)}x`]
        expect(take(pieces)).toEqual({ head: HEAD, end: HEAD.length - second, piece: 2 })
      }
    }
    expect(take([...HEAD])).toEqual({ head: HEAD, end: 1, piece: HEAD.length - 1 })
  })

  it('from where it begins in the bytes, one behind the other', () => {
    const buffer = new HeadBuffer(LIMIT)
    const both = bytes('body-one\r\n\r\ntwo\r\n\r\nthr')
    expect([buffer.take(both, 5), buffer.end]).toEqual(['one\r\n\r\n', 12])
    expect([buffer.take(both, 12), buffer.end]).toEqual(['two\r\n\r\n', 19])
    expect([buffer.take(both, 19), buffer.end]).toEqual([undefined, both.length])
    expect([buffer.take(bytes('ee\r\n\r\nfour'), 0), buffer.end]).toEqual(['three\r\n\r\n', 6])
    expect(buffer.partial).toBe('')
  })

  it('and what of it has come is told meanwhile', () => {
    const buffer = new HeadBuffer(LIMIT)
    expect(buffer.partial).toBe('')
    expect(buffer.take(bytes('xxGET '), 2)).toBeUndefined()
    expect(buffer.partial).toBe('GET ')
    expect(buffer.take(bytes('/\r\n'), 0)).toBeUndefined()
    expect(buffer.partial).toBe('GET /\r\n')
    expect(buffer.take(bytes('\r\n'), 0)).toBe('GET /\r\n\r\n')
    expect(buffer.partial).toBe('')
  })

  it('from memory that is overwritten once it has been read', () => {
    const buffer = new HeadBuffer(LIMIT)
    const memory = bytes('GET /')
    expect(buffer.take(memory, 0)).toBeUndefined()
    memory.fill('\r\n')
    expect(buffer.take(bytes('\r\n\r\n'), 0)).toBe('GET /\r\n\r\n')
  })
})

describe('a head of the most that is allowed', () => {
  const head = (length: number): string => `L\r\n${'x'.repeat(length - 3)}\r\n\r\n`

  it('is taken, in however many pieces it comes', () => {
    const most = head(LIMIT)
    for (let cut = 1; cut < most.length; cut++) {
      expect(take([most.slice(0, cut), `${most.slice(cut)}behind`])).toMatchObject({ head: most, piece: 1 })
    }
    expect(take([...most]).head).toBe(most)
  })

  it('and one byte more is refused, in however many pieces it comes', () => {
    const more = head(LIMIT + 1)
    for (let cut = 1; cut < more.length; cut++) {
      expect(() => take([more.slice(0, cut), more.slice(cut)]), `cut at ${cut}`).toThrow(SectionTooLarge)
    }
    expect(() => take([more])).toThrow(SectionTooLarge)
    expect(() => take([...more])).toThrow(SectionTooLarge)
  })
})

describe('a head without end', () => {
  it.each([1, 7, LIMIT, LIMIT + 4, LIMIT + 5, 100_000])('is refused before it is kept, as it comes by %i', (size) => {
    const buffer = new HeadBuffer(LIMIT)
    const piece = bytes('x'.repeat(size))
    let given = 0
    expect(() => {
      for (; given < 2 * LIMIT + size; given += size) buffer.take(piece, 0)
    }).toThrow(SectionTooLarge)
    expect(given, 'at once').toBeLessThanOrEqual(LIMIT + 4)
    expect(buffer.partial.length).toBeLessThanOrEqual(LIMIT + 4)
  })

  it.each([
    ['that is too long in its first line', 'x'.repeat(2 * LIMIT), true],
    ['whose first line alone is too long', `${'x'.repeat(LIMIT + 1)}\r\n\r\n`, true],
    ['whose first line fills the limit', `${'x'.repeat(LIMIT)}\r\n${'x'.repeat(LIMIT)}`, false],
    ['that is too long behind its first line', `L\r\n${'x'.repeat(2 * LIMIT)}`, false],
  ])('or one %s, says where it is', (_what, text, isWithinFirstLine) => {
    expect(() => take([text])).toThrow(expect.objectContaining({ isWithinFirstLine }))
    expect(() => take([...text])).toThrow(expect.objectContaining({ isWithinFirstLine }))
  })
})
