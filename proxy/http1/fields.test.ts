import { expect, it } from 'vitest'
import { hasStrayLineEnd, parseFields } from './fields.ts'
import { MalformedMessage } from './malformed.ts'

const parsed = (text: string): string[] => parseFields(text, 0, text.length)

it.each([
  ['no line at all', '', []],
  ['a line', 'A: b\r\n', ['A', 'b']],
  [
    'lines, in order, with the case and the repetitions they came in',
    'b: 1\r\nA: 2\r\nB: 3\r\n',
    ['b', '1', 'A', '2', 'B', '3'],
  ],
  ['every character that a name may have', "!#$%&'*+-.^_`|~09azAZ: b\r\n", ["!#$%&'*+-.^_`|~09azAZ", 'b']],
  ['a value without blanks around it', 'A:b\r\n', ['A', 'b']],
  ['a value whose blanks around it, spaces and tabs, are no part of it', 'A: \t b \t\r\n', ['A', 'b']],
  ['a value whose blanks within it are', 'A: b \t c\r\n', ['A', 'b \t c']],
  ['an empty value', 'A:\r\nB: \t\r\nC: d\r\n', ['A', '', 'B', '', 'C', 'd']],
  ['colons in a value', 'A: b:c::\r\n', ['A', 'b:c::']],
  ['octets above ASCII in a value', 'A: \x80gr\xfc\xdfe\xff\r\n', ['A', '\x80gr\xfc\xdfe\xff']],
])('%s', (_what, text, fields) => {
  expect(parsed(text)).toEqual(fields)
})

it('what stands before and behind the lines is not looked at', () => {
  const text = 'HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n'
  expect(parseFields(text, 17, text.length - 2)).toEqual(['A', 'b', 'C', 'd'])
})

it.each([
  ['no name', ': b\r\n'],
  ['no colon', 'A\r\n'],
  ['an empty line', 'A: b\r\n\r\nC: d\r\n'],
  ['a blank before the colon', 'A : b\r\n'],
  ['a tab before the colon', 'A\t: b\r\n'],
  ['a blank before the name', ' A: b\r\n'],
  ['a line folded onto the next with a space', 'A: b\r\n c\r\n'],
  ['a line folded onto the next with a tab', 'A: b\r\n\tC: d\r\n'],
  ['a blank in a name', 'A B: c\r\n'],
  ['an octet above ASCII in a name', 'A\xe9: b\r\n'],
  ['a NUL in a name', 'A\0: b\r\n'],
  ['an LF without its CR', 'A: b\nC: d\r\n'],
  ['a CR without its LF', 'A: b\rC: d\r\n'],
  ['a CR twice', 'A: b\r\r\n'],
  ['an LF first', '\nA: b\r\n'],
  ['no end of the last line', 'A: b'],
  ['half an end of the last line', 'A: b\r'],
])('a section with %s is malformed', (_what, text) => {
  expect(() => parsed(text)).toThrow(MalformedMessage)
})

it('of the 256 octets, those that a name and a value may hold are read, and all others are malformed', () => {
  for (let octet = 0; octet < 256; octet++) {
    const character = String.fromCharCode(octet)
    const isOfName = /[A-Za-z0-9]/.test(character) || "!#$%&'*+-.^_`|~".includes(character)
    const isOfValue = octet === 9 || (octet >= 32 && octet !== 127)
    const inName = `x${character}y: z\r\n`
    const inValue = `x: y${character}z\r\n`
    if (isOfName) expect(parsed(inName), `octet ${octet}`).toEqual([`x${character}y`, 'z'])
    else if (character !== ':') expect(() => parsed(inName), `octet ${octet}`).toThrow(MalformedMessage)
    if (isOfValue) expect(parsed(inValue), `octet ${octet}`).toEqual(['x', `y${character}z`])
    else expect(() => parsed(inValue), `octet ${octet}`).toThrow(MalformedMessage)
  }
})

it('a line end that is no CRLF is told before the rest has come, and one that may yet be is waited for', () => {
  for (const text of ['', 'A', 'A: b\r', 'A: b\r\n', 'A: b\r\n\r', '\r'])
    expect(hasStrayLineEnd(text), text).toBe(false)
  for (const text of ['A: b\n', '\n', 'A\rB', '\r\r', 'A: b\r\n\n', 'A\r\r\n'])
    expect(hasStrayLineEnd(text), text).toBe(true)
})
