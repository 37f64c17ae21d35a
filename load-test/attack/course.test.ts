import { expect, it } from 'vitest'
import { holds, resultOf, type Second } from './course.ts'
import { OptionError, readOptions } from './options.ts'

const second = (atSeconds: number, more: Partial<Second> = {}): Second => ({
  ...{ atSeconds, emergency: 'calm', userDurationsMs: [10] },
  attackers: { sent: 0, admitted: 0, refused: {} },
  users: { sent: 10, admitted: 10, refused: {} },
  ...more,
})

it('the course of an attack is summed up', () => {
  const result = resultOf([
    second(0),
    second(1, { attackers: { sent: 100, admitted: 60, refused: { 429: 40 } } }),
    second(2, { attackers: { sent: 100, admitted: 10, refused: { 429: 50, 403: 40 } }, emergency: 'emergency' }),
    second(6, { attackers: { sent: 100, admitted: 1, refused: { 403: 99 } }, emergency: 'recovering' }),
    second(7, { users: { sent: 10, admitted: 9, refused: { 0: 1 } } }),
  ])
  expect(result).toEqual({
    ...{ usersServedShare: 49 / 50, usersRefused: { 0: 1 }, usersP99Ms: 10, attackersAdmittedShareLater: 0.01 },
    ...{ firstBlockSeconds: 2, emergencySeconds: 2, calmSeconds: 7 },
  })
  expect(holds(result)).toBe(false)
  expect(holds({ ...result, usersServedShare: 0.9995, attackersAdmittedShareLater: 0.009 })).toBe(true)
})

it('a flood goes to this machine alone, and is bounded', () => {
  expect(readOptions([])).toMatchObject({ url: 'http://127.0.0.1:8080/listings', attackers: 100 })
  for (const args of [['--url', 'http://example.com/'], ['--rate', '1000000'], ['--seconds', '0'], ['--nonsense']]) {
    expect(() => readOptions(args), args.join(' ')).toThrow(OptionError)
  }
})
