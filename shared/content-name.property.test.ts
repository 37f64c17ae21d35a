import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ContentHash, contentName, isHashedName, namedContent } from './content-name.ts'

const extension = fc.stringMatching(/^[a-z0-9]{1,16}$/)
const bytes = fc.uint8Array({ maxLength: 2_000 })

/** The same bytes in some pieces, empty ones among them. */
const chunked = fc
  .tuple(bytes, fc.array(fc.nat(2_000), { maxLength: 8 }))
  .map(([whole, cuts]): readonly [Uint8Array, Uint8Array[]] => {
    const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length]
    return [whole, at.slice(1).map((end, index) => whole.subarray(at[index], end))]
  })

const nameOf = (pieces: readonly Uint8Array[], ending: string): string => {
  const hash = new ContentHash()
  for (const piece of pieces) hash.update(piece)
  return contentName(hash.digest(), ending)
}

describe('Property 11: Content Hash Determinism', () => {
  it('the same bytes have the same name, in whatever pieces they come', () => {
    fc.assert(
      fc.property(chunked, extension, ([whole, pieces], ending) => {
        expect(nameOf(pieces, ending)).toBe(nameOf([whole], ending))
        const expected = createHash('sha256').update(whole).digest('hex')
        expect(nameOf(pieces, ending)).toBe(`${expected.slice(0, 2)}/${expected.slice(2, 4)}/${expected}.${ending}`)
      }),
    )
  })

  it('different bytes have different names, however little they differ', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.integer({ min: 1, max: 255 }), extension, (whole, at, change, ending) => {
        const longer = Uint8Array.from([...whole, change])
        expect(nameOf([longer], ending)).not.toBe(nameOf([whole], ending))
        if (whole.length === 0) return
        const other = Uint8Array.from(whole)
        const index = at % whole.length
        other[index] = (other[index] as number) ^ change
        expect(nameOf([other], ending)).not.toBe(nameOf([whole], ending))
      }),
    )
  })

  it('a name tells what it was made of, wherever it stands, and is known to be one that never changes', () => {
    fc.assert(
      fc.property(
        bytes,
        extension,
        fc.constantFrom('', '/', '/media/', 'https://cdn.example/a/'),
        (whole, ending, at) => {
          const path = at + nameOf([whole], ending)
          expect(namedContent(path)).toEqual({ hash: new ContentHash().update(whole).digest(), extension: ending })
          expect(isHashedName(path)).toBe(true)
          expect(isHashedName(`/assets/app.${new ContentHash().update(whole).digest()}.${ending}`)).toBe(true)
        },
      ),
    )
  })

  it('a name in the folders of another is none, nor is one of which a digit is missing', () => {
    fc.assert(
      fc.property(bytes, extension, (whole, ending) => {
        const name = nameOf([whole], ending)
        const other = name.startsWith('00/') ? '11' : '00'
        expect(namedContent(`${other}${name.slice(2)}`)).toBeUndefined()
        expect(isHashedName(`/${other}${name.slice(2)}`)).toBe(false)
        const short = name.replace(/.\./, '.')
        expect(namedContent(short)).toBeUndefined()
        expect(isHashedName(`/${short}`)).toBe(false)
      }),
    )
  })
})

describe('a name with a hash in it', () => {
  it.each([
    '/app.3f2a9c1b.js',
    '/assets/main.6f1c0d2e8a7b4c55.css',
    '/a/b/vendor.min.0123abcd.js',
    '/f/icons.DEADBEEF.woff2',
  ])('is %s', (path) => expect(isHashedName(path)).toBe(true))

  it.each([
    '/',
    '/api/listings',
    '/app.js',
    '/app.min.js',
    '/report.20241231.pdf', // a date
    '/report.1234567890.pdf', // a number
    '/app.3f2a9c1.js', // too short for a hash
    '/app.3f2a9c1g.js',
    '/3f2a9c1b.js', // whose name?
    '/.3f2a9c1b.js',
    '/app.3f2a9c1b',
    '/app.3f2a9c1b.js/',
    '/app.3f2a9c1b.js/more',
    '/3f2a9c1b.d/app.js',
    '/app.3f2a9c1b.',
    `/app.${'a'.repeat(65)}.js`,
    `/app.${'1'.repeat(63)}.js`,
  ])('is not %s', (path) => expect(isHashedName(path)).toBe(false))

  it('is never made of what is no hash, or no extension', () => {
    expect(() => contentName('ABCD', 'png')).toThrow(RangeError)
    expect(() => contentName('a'.repeat(64), '.png')).toThrow(RangeError)
    expect(() => contentName('a'.repeat(64), '../x')).toThrow(RangeError)
  })
})
