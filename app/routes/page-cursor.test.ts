import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCursor, writeCursor } from './page-cursor.ts'

const byTime = fc.record({
  order: fc.constantFrom('createdAt' as const, '-createdAt' as const),
  value: fc.integer({ min: 0, max: Date.UTC(9_999, 0) }),
  id: fc.uuid(),
})
const byPrice = fc.record({
  order: fc.constantFrom('priceCents' as const, '-priceCents' as const),
  value: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  id: fc.uuid(),
})

test('what is written is read again, and stands in a URL as it is', () => {
  fc.assert(
    fc.property(fc.oneof(byTime, byPrice), (cursor) => {
      const text = writeCursor(cursor)
      expect(readCursor(text)).toEqual(cursor)
      expect(encodeURIComponent(text)).toBe(text)
    }),
  )
})

test('no other text is taken for a cursor, and none throws', () => {
  const wrapped = fc.json().map((json) => Buffer.from(json).toString('base64url'))
  fc.assert(
    fc.property(fc.oneof(fc.string(), wrapped), (text) => {
      expect(readCursor(text)).toBeUndefined()
    }),
  )
})

test('values that no column can hold are refused, as they would end in an error of the database', () => {
  const encode = (content: unknown) => Buffer.from(JSON.stringify(content)).toString('base64url')
  const id = '019b7880-4600-7000-8000-000000000000'
  for (const content of [
    ['priceCents', 2 ** 31, id],
    ['priceCents', 1.5, id],
    ['priceCents', -1, id],
    ['createdAt', 8.64e15, id],
    ['createdAt', 0, "' or true"],
    ['title', 0, id],
    ['createdAt', 0, id, 'more'],
  ]) {
    expect(readCursor(encode(content))).toBeUndefined()
  }
})
