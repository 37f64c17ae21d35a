import fc from 'fast-check'
import { expect, it } from 'vitest'
import { interruptedForm } from './form-fields.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) => value.replace(/\r\n?|\n/g, '\r\n'))
/** Of a field: without a name it is not sent, and U+0000 and `_charset_` are the browser's own affair. */
const fields = fc
  .array(
    fc.tuple(
      text.filter((name) => name !== ''),
      text,
    ),
    { maxLength: 8 },
  )
  .map((pairs) =>
    pairs.filter(([name, value]) => !`${name}${value}`.includes('\0') && name.toLowerCase() !== '_charset_'),
  )

it('what a browser sends in UTF-8 is read as its fields, in order and with names that come twice', () => {
  fc.assert(
    fc.property(fields, (sent) => {
      const body = new URLSearchParams(sent.map(([name, value]) => [name, value])).toString()
      expect(interruptedForm(Buffer.from(body, 'latin1'))).toEqual({ charset: 'utf-8', fields: sent })
    }),
  )
})

it('any bytes that are read would be sent again as the same bytes, in the charset that is named', () => {
  const pieces = fc.constantFrom(
    'a',
    '=',
    '&',
    '+',
    '%',
    '%E9',
    '%e9',
    '%C3%A9',
    '%0D%0A',
    '%0A',
    '%00',
    '%41',
    ' ',
    '%80',
  )
  const bodies = fc.oneof(
    fc.array(pieces, { maxLength: 12 }).map((parts) => Buffer.from(parts.join(''), 'latin1')),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  )
  let read = 0
  fc.assert(
    fc.property(bodies, (body) => {
      const form = interruptedForm(body)
      if (form === undefined) return
      read++
      const sent = form.fields
        .map(([name, value]) => `${encoded(name, form.charset)}=${encoded(value, form.charset)}`)
        .join('&')
      expect(sent).toBe(body.toString('latin1'))
    }),
    { numRuns: 2_000 },
  )
  expect(read, 'some of them are forms').toBeGreaterThan(20)
})

it.each([
  ['a', 'what no browser sends: a name without "="'],
  ['=a', 'a field without a name, which is not sent'],
  ['a=%0A', 'a line end that would become another'],
  ['a=%41', 'an escape that nobody needs'],
  ['a=%c3%a9', 'small hexadecimal digits'],
  ['a=b c', 'a space as it is'],
  ['a=%00', 'what the parser of the page would lose'],
  ['_charset_=EBCDIC', 'a field that the browser fills in, with another value'],
  [`a=1${'&a=1'.repeat(1_000)}`, 'more fields than are read'],
])('%s is not: %s', (body) => {
  expect(interruptedForm(Buffer.from(body, 'latin1'))).toBeUndefined()
})

it('bytes of windows-1252 are, and so is nothing at all', () => {
  const body = Buffer.from('a=%E9%80%81&_charset_=windows-1252')
  expect(interruptedForm(body)).toEqual({
    charset: 'windows-1252',
    fields: [
      ['a', 'é€\u0081'],
      ['_charset_', 'windows-1252'],
    ],
  })
  expect(interruptedForm(Buffer.alloc(0))).toEqual({ charset: 'utf-8', fields: [] })
})

/** By another way than the rule itself goes. */
const encoded = (text: string, charset: string): string => {
  const bytes = charset === 'utf-8' ? Buffer.from(text) : Buffer.from([...text].map(byteOf))
  return [...bytes]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      if (character === ' ') return '+'
      return /[A-Za-z0-9*\-._]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

const windows1252 = new TextDecoder('windows-1252')
const TABLE = new Map(Array.from({ length: 256 }, (_, byte) => [windows1252.decode(Uint8Array.of(byte)), byte]))
const byteOf = (character: string): number => {
  const byte = TABLE.get(character)
  if (byte === undefined) throw new Error(`${JSON.stringify(character)} is in no windows-1252`)
  return byte
}
