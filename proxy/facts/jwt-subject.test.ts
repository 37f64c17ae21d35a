import { describe, expect, it } from 'vitest'
import { jwtSubject } from './jwt-subject.ts'

const part = (content: unknown): string => Buffer.from(JSON.stringify(content)).toString('base64url')
const token = (claims: unknown): string => `${part({ alg: 'HS256' })}.${part(claims)}.c2lnbmF0dXJl`

it.each([
  ['a JWT', `Bearer ${token({ sub: 'user-7', iat: 1 })}`],
  ['one under a scheme in another case', `bEARER  ${token({ sub: 'user-7' })}`],
  ['one that is not signed', `Bearer ${token({ sub: 'user-7' }).replace(/[^.]*$/, '')}`],
])('the subject of %s', (_what, authorization) => {
  expect(jwtSubject(authorization)).toBe('user-7')
})

it('a subject may be any text', () => {
  expect(jwtSubject(`Bearer ${token({ sub: 'Zoë \u0000 \ud83d\ude00' })}`)).toBe('Zoë \u0000 \ud83d\ude00')
})

describe('there is no subject in', () => {
  it.each([
    ['nothing', ''],
    ['another scheme', `Basic ${token({ sub: 'user-7' })}`],
    ['a token that is no JWT', 'Bearer abc'],
    ['two parts', `Bearer ${part({})}.${part({ sub: 'user-7' })}`],
    ['four parts', `Bearer ${token({ sub: 'user-7' })}.x`],
    ['claims without one', `Bearer ${token({ iss: 'a' })}`],
    ['one that is no text', `Bearer ${token({ sub: { a: 1 } })}`],
    ['claims that are no object', `Bearer ${token('sub')}`],
    ['claims that are null', `Bearer ${token(null)}`],
    ['claims that are no JSON', `Bearer a.${Buffer.from('{"sub":').toString('base64url')}.b`],
    ['a token past all bounds', `Bearer ${token({ sub: 'user-7', filler: 'x'.repeat(8_192) })}`],
  ])('%s', (_what, authorization) => {
    expect(jwtSubject(authorization)).toBeUndefined()
  })
})
