import { describe, expect, it } from 'vitest'
import { setHeader } from './reply.ts'

describe('setting a field', () => {
  it('replaces the one that is there, in whatever case', () => {
    const headers = ['x-a', '1', 'X-B', '2']
    setHeader(headers, 'X-A', '3')
    setHeader(headers, 'X-C', 'gr\xfc\xdfe\tb')
    expect(headers).toEqual(['x-a', '3', 'X-B', '2', 'X-C', 'gr\xfc\xdfe\tb'])
  })

  it('replaces all that are there', () => {
    const headers = ['X-A', '1', 'x-a', '2', 'X-A', '3', 'X-B', '4', 'X-a', '5']
    setHeader(headers, 'X-A', '6')
    expect(headers).toEqual(['X-A', '6', 'X-B', '4'])
  })

  it.each(['a\r\nSet-Cookie: b', 'a\nb', 'a\rb', 'a\0b', 'a\x7fb', 'a\u010ab', '\u{1f600}'])(
    'to %j is refused',
    (value) => {
      const headers = ['X-A', '1']
      expect(() => setHeader(headers, 'X-A', value)).toThrow('X-A')
      expect(headers).toEqual(['X-A', '1'])
    },
  )
})
