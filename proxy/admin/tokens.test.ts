import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bearerOf, plainToken, readAdminTokens } from './tokens.ts'

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex')

const problemsOf = (document: unknown) => {
  const reading = readAdminTokens(document)
  return reading.kind === 'bad' ? reading.problems : []
}

describe('a keyset of tokens', () => {
  it('knows who bears one of them, and what they may', () => {
    const reading = readAdminTokens({
      alice: { role: 'operate', sha256: sha256('token-of-alice') },
      grafana: { role: 'read', sha256: sha256('token-of-grafana').toUpperCase() },
      bob: { role: 'operate', sha256: sha256('token-of-bob'), status: 'disabled' },
    })
    expect(reading.kind === 'good' && reading.names).toEqual(['alice (operate)', 'grafana (read)'])
    const tokens = reading.kind === 'good' ? reading.keys : []
    expect(bearerOf('Bearer token-of-alice', tokens)).toMatchObject({ name: 'alice', role: 'operate' })
    expect(bearerOf('bearer token-of-grafana', tokens)).toMatchObject({ name: 'grafana', role: 'read' })
    expect(bearerOf('Bearer token-of-bob', tokens)).toBeUndefined()
  })

  it('may be empty', () => {
    expect(readAdminTokens({})).toEqual({ kind: 'good', keys: [], names: [] })
  })

  it.each<[string, unknown, string, RegExp]>([
    ['no role', { a: { sha256: sha256('x') } }, 'a.role', /read or operate/],
    ['another role', { a: { role: 'root', sha256: sha256('x') } }, 'a.role', /read or operate/],
    [
      'the token itself',
      { a: { role: 'read', sha256: 'very-secret' } },
      'a.sha256',
      /64 hexadecimal digits.*token NAME/,
    ],
    [
      'a digest that YAML reads as a number',
      { a: { role: 'read', sha256: 1e63 } },
      'a.sha256',
      /64 hexadecimal digits/,
    ],
    ['an unknown member', { a: { role: 'read', sha256: sha256('x'), rol: 1 } }, 'a.rol', /is not part of a keyset/],
    ['another status', { a: { role: 'read', sha256: sha256('x'), status: 'off' } }, 'a.status', /enabled or disabled/],
    ['a name with a space', { 'a b': { role: 'read', sha256: sha256('x') } }, 'a b', /expected a name/],
    ['a name that is our own', { sidegate: { role: 'read', sha256: sha256('x') } }, 'sidegate', /other than/],
    ['a list', [], '', /expected names/],
    [
      'one token for two',
      { a: { role: 'read', sha256: sha256('x') }, b: { role: 'operate', sha256: sha256('x') } },
      'b.sha256',
      /token of a, too/,
    ],
  ])('is refused with %s, and no secret is repeated', (_what, document, path, message) => {
    const problems = problemsOf(document)
    expect(problems).toEqual([{ path, message: expect.stringMatching(message) }])
    expect(JSON.stringify(problems)).not.toContain('very-secret')
  })
})

describe('a bearer', () => {
  const tokens = [plainToken('one', 'read', 'token-of-one'), plainToken('two', 'operate', 'token-of-two')]

  it.each([
    [undefined],
    [''],
    ['Bearer'],
    ['Bearer '],
    ['token-of-one'],
    ['Basic token-of-one'],
    ['Bearer token-of-on'],
    ['Bearer token-of-one '],
    ['Bearer  token-of-one'],
    ['Bearer token-of-one,token-of-two'],
  ])('is nobody with %j', (authorization) => {
    expect(bearerOf(authorization, tokens)).toBeUndefined()
  })

  it('is nobody where there are no tokens', () => {
    expect(bearerOf('Bearer ', [])).toBeUndefined()
  })
})
