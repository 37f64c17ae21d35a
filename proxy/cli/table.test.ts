import { describe, expect, it } from 'vitest'
import { printable, printableJson } from './printable.ts'
import { table } from './table.ts'

describe('a table', () => {
  it('has its cells below its titles, and no blanks at the ends of lines', () => {
    expect(
      table(
        ['path', 'now'],
        [
          ['a.b', '5'],
          ['c', ''],
        ],
      ),
    ).toBe('PATH  NOW\na.b   5\nc')
  })

  it('shortens what is too wide, at the end', () => {
    expect(
      table(
        [{ title: 'a', limit: 5 }, 'b'],
        [
          ['123456', 'x'],
          ['12345', 'y'],
        ],
      ),
    ).toBe('A      B\n1234…  x\n12345  y')
    expect(table(['a'], [['x'.repeat(1_000_000)]])).toBe(`A\n${'x'.repeat(59)}…`)
  })

  it('counts characters, not the units that they are kept in', () => {
    expect(
      table(
        [{ title: 'a', limit: 3 }, 'b'],
        [
          ['😀😀😀', 'x'],
          ['😀😀😀😀', 'y'],
        ],
      ),
    ).toBe('A    B\n😀😀😀  x\n😀😀…  y')
  })

  it('moves no cursor, and keeps each row on its line', () => {
    expect(table(['a'], [['\u001b[2Jx\r\ny\u0007']])).toBe('A\n\\u001b[2Jx\\u000d\\u000ay\\u0007')
  })
})

describe('what is printed', () => {
  it.each([
    ['\u001b]0;title\u0007', '\\u001b]0;title\\u0007'],
    ['\u009b31m', '\\u009b31m'],
    ['a\u202eb', 'a\\u202eb'],
    ['\u2028', '\\u2028'],
    ['\ud800', '\\ud800'],
    ['\u{e0041}', '\\udb40\\udc41'],
    ['plain, ünd 😀', 'plain, ünd 😀'],
  ])('%j is %s', (text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it('is the same JSON as it came', () => {
    const text = '{\r\n  "a": "\u009b\u202e\u{e0041}",\r "b": 12345678901234567890.10\n}'
    expect(printableJson(text)).toBe('{\n  "a": "\\u009b\\u202e\\udb40\\udc41", "b": 12345678901234567890.10\n}')
    expect(JSON.parse(printableJson(text))).toEqual(JSON.parse(text))
  })
})
