import { expect, it } from 'vitest'
import { ChunkedDecoder } from './chunked-decoder.ts'
import { MalformedMessage } from './malformed.ts'

const LIMIT = 1_000

/** Decodes one body that comes in pieces; gives it, its trailers, what is left over, and whether it is done. */
const decoded = (...pieces: string[]) => {
  let body = ''
  const decoder = new ChunkedDecoder({ onBody: (bytes) => (body += bytes.toString('latin1')) }, LIMIT)
  decoder.begin()
  let rest = ''
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1')
    rest += piece.slice(decoder.decode(bytes, 0, bytes.length))
  }
  return { body, trailers: [...decoder.trailers], rest, isDone: decoder.isDone }
}

const whole = (body: string, trailers: string[] = [], rest = '') => ({ body, trailers, rest, isDone: true })

const EVERY_OCTET = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet))

it.each([
  ['nothing', '0\r\n\r\n', whole('')],
  ['a chunk', '5\r\nhello\r\n0\r\n\r\n', whole('hello')],
  ['chunks', '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n', whole('hello world')],
  [
    'a size in digits of either case',
    `a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n`,
    whole('01234567890123456789a'),
  ],
  ['sizes with leading zeros', '0000000000000000000000000000000b\r\nhello world\r\n000\r\n\r\n', whole('hello world')],
  [
    'a size of 16 digits that begins with zeros',
    `000000000000002b\r\n${'b'.repeat(43)}\r\n0\r\n\r\n`,
    whole('b'.repeat(43)),
  ],
  ['line ends in a chunk', '4\r\n\r\n\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n', whole('\r\n\r\n0\r\n\r\n')],
  ['every octet', `100\r\n${EVERY_OCTET}\r\n0\r\n\r\n`, whole(EVERY_OCTET)],
  ['an extension', '5;a\r\nhello\r\n0;b\r\n\r\n', whole('hello')],
  ['an extension with a value', '5;a=b\r\nhello\r\n0\r\n\r\n', whole('hello')],
  ['an extension with a quoted value', '5;a="b; \\"\\\\ \xfc\t"\r\nhello\r\n0\r\n\r\n', whole('hello')],
  ['extensions', '5;a;b=c;d="e"\r\nhello\r\n0;a=""\r\n\r\n', whole('hello')],
  ['a trailer', '0\r\nA: b\r\n\r\n', whole('', ['A', 'b'])],
  ['trailers', '1\r\nx\r\n0\r\nA: b\r\na:c \r\nD:\r\n\r\n', whole('x', ['A', 'b', 'a', 'c', 'D', ''])],
  ['what comes behind the body', '0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', whole('', [], 'HTTP/1.1 200 OK\r\n\r\n')],
  ['what comes behind the trailers', '0\r\nA: b\r\n\r\n\r\n', whole('', ['A', 'b'], '\r\n')],
])('%s, in one piece, in any two, and octet by octet', (_what, bytes, expected) => {
  expect(decoded(bytes)).toEqual(expected)
  for (let cut = 1; cut < bytes.length; cut++) {
    expect(decoded(bytes.slice(0, cut), bytes.slice(cut)), `cut at ${cut}`).toEqual(expected)
  }
  expect(decoded(...bytes)).toEqual(expected)
})

it.each([
  ['no size', '\r\n'],
  ['an extension for a size', ';a\r\n'],
  ['a size that is no number', 'g'],
  ['a size with a sign', '+5'],
  ['a size below zero', '-5'],
  ['a size as of a program', '0x5'],
  ['a blank before a size', ' 5'],
  ['a blank behind a size', '5 '],
  ['an LF alone behind a size', '5\n'],
  ['a CR alone behind a size', '5\rh'],
  ['a size of 13 digits', '1000000000000'],
  ['a size of 13 digits behind zeros', '00000fffffffffffff'],
  ['an extension without a name', '5;\r\n'],
  ['an extension without a name before a value', '5;=b'],
  ['an extension without a value', '5;a=\r\n'],
  ['a quoted value without an end', '5;a="b\r\n'],
  ['more behind a quoted value', '5;a="b"c'],
  ['a quoted control character', '5;a="\\\x01"'],
  ['a control character in a quoted value', '5;a="\x7f"'],
  ['a control character in an extension', '5;a\x01'],
  ['an LF alone behind an extension', '5;a\n'],
  ['a chunk longer than its size', '5\r\nhello!'],
  ['an LF alone behind a chunk', '5\r\nhello\n'],
  ['a CR alone behind a chunk', '5\r\nhello\r5'],
  ['a trailer without a colon', '0\r\nA\r\n\r\n'],
  ['a trailer that is folded', '0\r\nA: b\r\n c\r\n\r\n'],
  ['a trailer with a control character', '0\r\nA: \x01\r\n\r\n'],
  ['an LF alone in the trailers', '0\r\nA: b\n'],
  ['an LF alone for the last line', '0\r\n\n'],
  ['a CR alone in the trailers', '0\r\nA: b\rc'],
])('%s is refused, in however many pieces it comes', (_what, bytes) => {
  expect(() => decoded(bytes)).toThrow(MalformedMessage)
  for (let cut = 1; cut < bytes.length; cut++) {
    expect(() => decoded(bytes.slice(0, cut), bytes.slice(cut)), `cut at ${cut}`).toThrow(MalformedMessage)
  }
  expect(() => decoded(...bytes)).toThrow(MalformedMessage)
})

it('a chunk passes on as it comes, and the rest of it is awaited', () => {
  expect(decoded('5\r\nhel')).toMatchObject({ body: 'hel', isDone: false })
  expect(decoded('ffffffffffff\r\nhel')).toMatchObject({ body: 'hel', isDone: false })
})

it('a body is done with its last octet, not before', () => {
  const bytes = '5;a="b"\r\nhello\r\n0\r\nA: b\r\n\r\n'
  for (let end = 0; end < bytes.length; end++) expect(decoded(bytes.slice(0, end)).isDone, `at ${end}`).toBe(false)
  expect(decoded(bytes).isDone).toBe(true)
})

it('no more than a part of the bytes is looked at where no more is asked for', () => {
  let body = ''
  const decoder = new ChunkedDecoder({ onBody: (bytes) => (body += bytes.toString('latin1')) }, LIMIT)
  decoder.begin()
  expect(decoder.decode(Buffer.from('xx5\r\nhello\r\nxx'), 2, 12)).toBe(12)
  expect(decoder.decode(Buffer.from('0\r\n\r\nxx'), 0, 7)).toBe(5)
  expect(body).toBe('hello')
})

it('one decoder reads one body after the other, and the trailers of the first are not those of the second', () => {
  let body = ''
  const decoder = new ChunkedDecoder({ onBody: (bytes) => (body += bytes.toString('latin1')) }, LIMIT)
  const read = (text: string) => {
    decoder.begin()
    expect(decoder.isDone).toBe(false)
    return decoder.decode(Buffer.from(text), 0, text.length)
  }
  read('5;a\r\nhello\r\n0\r\nA: b\r\n\r\n')
  expect(decoder.trailers).toEqual(['A', 'b'])
  read('6\r\n world\r\n0\r\n\r\n')
  expect(decoder).toMatchObject({ isDone: true, trailers: [] })
  expect(body).toBe('hello world')
})

it.each([
  ['extensions', `5;${'a'.repeat(5_000)}`],
  ['a quoted extension', `5;a="${'a'.repeat(5_000)}`],
  ['many extensions', `5${';a'.repeat(2_500)}`],
  ['a size with leading zeros', '0'.repeat(5_000)],
])('%s without end: refused, in one piece and in many', (_what, bytes) => {
  expect(() => decoded(bytes)).toThrow(/without end/)
  expect(() => decoded(...bytes)).toThrow(/without end/)
})

it('extensions of each chunk are counted alone', () => {
  const chunk = `1;${'a'.repeat(3_000)}\r\nx\r\n`
  expect(decoded(chunk, chunk, chunk, '0\r\n\r\n')).toEqual(whole('xxx'))
})

it('trailers up to the limit are taken, and more are refused, in however many pieces they come', () => {
  const trailers = (bytes: number) => `0\r\nA: ${'b'.repeat(bytes - 3)}\r\n\r\n`
  const atLimit = trailers(LIMIT)
  for (const most of [LIMIT + 1, LIMIT + 5, 2 * LIMIT, 50 * LIMIT]) {
    expect(() => decoded(trailers(most)), `${most}`).toThrow(MalformedMessage)
    expect(() => decoded(...trailers(most)), `${most} in many`).toThrow(MalformedMessage)
  }
  expect(decoded(atLimit).isDone).toBe(true)
  for (let cut = 1; cut < atLimit.length; cut++) {
    expect(decoded(atLimit.slice(0, cut), atLimit.slice(cut)).isDone, `cut at ${cut}`).toBe(true)
  }
})

it('trailers without end are refused, in one piece and in many', () => {
  const endless = `0\r\n${'A: b\r\n'.repeat(LIMIT)}`
  expect(() => decoded(endless)).toThrow(MalformedMessage)
  expect(() => decoded(...endless)).toThrow(MalformedMessage)
})
