import { solveChallenge, verifySolution } from 'altcha-lib/v1'
import { expect, it } from 'vitest'
import { systemClock } from '#shared/clock.ts'
import { defaultPolicy } from '../../policy/read.ts'
import { soleKey } from '../keys.ts'
import { UsedPuzzles } from '../used-puzzles.ts'
import { Altcha } from './altcha.ts'

const CLIENT = { key: '192.0.2.7', address: '192.0.2.7', hostname: 'a.example' }
const policy = { ...defaultPolicy().challenge, difficulty: 1_000 }

const altcha = (keys = soleKey('one', 's'.repeat(32))) =>
  new Altcha({ current: keys }, 'shop', new UsedPuzzles(undefined, systemClock), systemClock)

it('is ALTCHA: its own library solves our puzzles and verifies their answers, and we verify its', async () => {
  const keys = soleKey('one', 's'.repeat(32))
  const ours = altcha(keys)
  for (let time = 0; time < 20; time++) {
    const { challenge, salt, algorithm, signature, maxnumber } = ours.puzzle(CLIENT, policy) as unknown as {
      challenge: string
      salt: string
      algorithm: 'SHA-256'
      signature: string
      maxnumber: number
    }
    const solution = await solveChallenge(challenge, salt, algorithm, maxnumber).promise
    const answer = { algorithm, challenge, number: solution?.number ?? -1, salt, signature }
    expect(await verifySolution(answer, keys.primary.puzzle)).toBe(true)
    expect(await verifySolution({ ...answer, number: answer.number + 1 }, keys.primary.puzzle)).toBe(false)
    expect(await ours.verify({ ...answer, took: 17 }, CLIENT)).toEqual({ result: 'solved' })
  }
})

it('says nothing of a client that another could read, and is another puzzle each time', () => {
  const ours = altcha()
  const [one, two] = [ours.puzzle(CLIENT, policy), ours.puzzle(CLIENT, policy)]
  expect(JSON.stringify(one)).not.toContain('192.0.2')
  expect(one.challenge).not.toBe(two.challenge)
})

it('is an answer to the key that signed it, as long as that is enabled, and to no other', async () => {
  const puzzle = altcha().puzzle(CLIENT, { ...policy, difficulty: 1_000 }) as unknown as Record<string, string>
  const solution = await solveChallenge(puzzle.challenge ?? '', puzzle.salt ?? '', 'SHA-256', 1_000).promise
  const { challenge, salt, signature } = puzzle
  const answer = { challenge, salt, signature, number: solution?.number }
  const next = soleKey('two', 't'.repeat(32))
  expect(await altcha(next).verify(answer, CLIENT)).toMatchObject({ result: 'forged' })
  const both = { primary: next.primary, byId: new Map([...next.byId, ...soleKey('one', 's'.repeat(32)).byId]) }
  expect(await altcha(both).verify(answer, CLIENT)).toEqual({ result: 'solved' })
  const renamed = soleKey('one', 'u'.repeat(32))
  expect(await altcha(renamed).verify(answer, CLIENT)).toMatchObject({ result: 'forged' })
})
