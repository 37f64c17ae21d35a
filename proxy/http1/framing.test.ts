import { describe, expect, it } from 'vitest'
import { framing } from './framing.ts'
import { MalformedMessage } from './malformed.ts'

describe('a body ends', () => {
  it.each([
    ['where nothing is said of it', [], { isChunked: false, length: undefined }],
    [
      'where nothing is said of it, among other fields',
      ['X-Length', '5', 'TE', 'chunked'],
      { isChunked: false, length: undefined },
    ],
    ['after Content-Length', ['Content-Length', '5'], { isChunked: false, length: 5 }],
    ['at once', ['Content-Length', '0'], { isChunked: false, length: 0 }],
    ['after a length with leading zeros', ['Content-Length', `${'0'.repeat(30)}5`], { isChunked: false, length: 5 }],
    [
      'after the largest length there is',
      ['Content-Length', '9007199254740991'],
      { isChunked: false, length: 2 ** 53 - 1 },
    ],
    ['after the length of any case', ['A', 'b', 'cOnTeNt-LeNgTh', '12'], { isChunked: false, length: 12 }],
    ['with its last chunk', ['Transfer-Encoding', 'chunked'], { isChunked: true, length: undefined }],
    ['with its last chunk, in any case', ['transfer-ENCODING', 'CHUNKed'], { isChunked: true, length: undefined }],
  ])('%s', (_where, headers, expected) => {
    expect(framing(headers, 1)).toEqual(expected)
  })
})

it('an HTTP/1.0 message has a length like any other', () => {
  expect(framing(['Content-Length', '5'], 0)).toEqual({ isChunked: false, length: 5 })
  expect(framing([], 0)).toEqual({ isChunked: false, length: undefined })
})

it.each([
  ...['', '-1', '+5', '5.0', '0x5', '1e1', '5 5', '5,5', '5, 5', 'five', '\xb2', '5\0', '5;', ' 5', 'Infinity', 'NaN'],
  ...['9007199254740992', '18446744073709551616', '9'.repeat(400)],
])('a Content-Length of "%s" is no length', (value) => {
  expect(() => framing(['Content-Length', value], 1)).toThrow(MalformedMessage)
})

it.each([
  ...[
    '',
    'gzip',
    'identity',
    'chunked, gzip',
    'gzip, chunked',
    'chunked, chunked',
    'chunked;a=b',
    'xchunked',
    'chunkedx',
  ],
  ...[',chunked', 'chunked,', '"chunked"', 'chunked ', '\x0bchunked'],
])('a transfer coding "%s" is none that is read', (value) => {
  expect(() => framing(['Transfer-Encoding', value], 1)).toThrow(MalformedMessage)
})

it.each([
  ['two lengths', ['Content-Length', '5', 'content-length', '6']],
  ['the same length twice', ['Content-Length', '5', 'Content-Length', '5']],
  ['chunked twice', ['Transfer-Encoding', 'chunked', 'transfer-encoding', 'chunked']],
  ['chunked before another coding', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'gzip']],
  ['a length before chunked', ['Content-Length', '5', 'Transfer-Encoding', 'chunked']],
  ['a length behind chunked', ['Transfer-Encoding', 'chunked', 'X-A', 'b', 'Content-Length', '5']],
  ['a length of 0 beside chunked', ['Content-Length', '0', 'Transfer-Encoding', 'chunked']],
])('a message that says %s is malformed', (_what, headers) => {
  expect(() => framing(headers, 1)).toThrow(MalformedMessage)
})

it('an HTTP/1.0 message that says chunked is malformed', () => {
  expect(() => framing(['Transfer-Encoding', 'chunked'], 0)).toThrow(MalformedMessage)
})
