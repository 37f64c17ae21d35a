import { expect, it } from 'vitest'
import { readChallengeKeys } from './challenge-keyset.ts'
import { readMachineTokens } from './machine-keyset.ts'

const secret = 'a-secret-of-thirty-two-characters!'
const entry = (status: string) => ({ secret, status })

it('one key signs, those that are enabled verify, and names are what the log gets', () => {
  const reading = readChallengeKeys({ a: entry('enabled'), b: entry('primary'), c: entry('disabled') })
  if (reading.kind === 'bad') throw new Error(JSON.stringify(reading.problems))
  expect(reading.keys?.primary.id).toBe('b')
  expect([...(reading.keys?.byId.keys() ?? [])]).toEqual(['a', 'b'])
  expect(reading.names).toEqual(['a (enabled)', 'b (primary)'])
  expect(readChallengeKeys({})).toEqual({ kind: 'good', keys: undefined, names: [] })
})

it.each([
  [{ a: entry('enabled') }, '', /exactly one key must be primary: none is/],
  [{ a: entry('primary'), b: entry('primary') }, '', /a and b are/],
  [{ a: { secret: 'short', status: 'primary' } }, 'a.secret', /32 to 512/],
  [{ a: { secret } }, 'a.status', /expected primary, enabled or disabled/],
  [{ a: { ...entry('primary'), more: 1 } }, 'a.more', /not part of a keyset of challenges/],
  [{ 'a.b': entry('primary') }, 'a.b', /expected a name/],
  [[], '', /expected names/],
])('a keyset that is none is told what is wrong, and no secret: %j', (document, path, message) => {
  const reading = readChallengeKeys(document)
  if (reading.kind === 'good') throw new Error('read as good')
  expect(reading.problems).toEqual([{ path, message: expect.stringMatching(message) }])
  expect(JSON.stringify(reading.problems)).not.toContain(secret)
})

it('machine tokens are known by their digests, unless they are disabled', () => {
  const [one, two] = ['1'.repeat(64), 'A'.repeat(64)]
  const reading = readMachineTokens({ a: { sha256: one, status: 'disabled' }, b: { sha256: two } })
  expect(reading).toEqual({ kind: 'good', keys: new Map([['a'.repeat(64), 'b']]), names: ['b'] })
  expect(readMachineTokens({ a: { sha256: two }, b: { sha256: two.toLowerCase() } })).toMatchObject({
    problems: [{ path: 'b.sha256', message: expect.stringMatching(/the token of a, too/) }],
  })
  expect(readMachineTokens({ a: { sha256: 'x' } })).toMatchObject({ problems: [{ path: 'a.sha256' }] })
})
