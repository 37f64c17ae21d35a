import { expect, it } from 'vitest'
import { cookieValue } from './cookie.ts'

it.each([
  ['alone', 'session=abc', 'abc'],
  ['among others', 'a=b; session=abc; c=d', 'abc'],
  ['without blanks', 'a=b;session=abc;c=d', 'abc'],
  ['with blanks', ' session = abc ', 'abc'],
  ['with an equals sign in it', 'session=a=b=', 'a=b='],
  ['in quotes', 'session="abc"', 'abc'],
  ['with escapes', 'session=%61b%63', 'abc'],
  ['with escapes that are none', 'session=%zz%61', '%zz%61'],
  ['empty', 'session=', ''],
  ['not there', 'a=b; sessions=abc; Session=abc; session', undefined],
  ['twice', 'session=abc; a=b; session=abd', undefined],
])('a cookie %s', (_how, field, value) => {
  expect(cookieValue(field, 'session')).toBe(value)
})
