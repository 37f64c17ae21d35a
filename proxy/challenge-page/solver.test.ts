import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'

interface Found {
  readonly number?: number | null
  readonly tried?: number
}
type Solver = (puzzle: { salt: string; challenge: string; maxnumber: number }) => (count: number) => Found

/** As a page has it, without any module of Node. */
const createSolver = runInNewContext(`${readFileSync(new URL('solver.js', import.meta.url), 'utf8')}\ncreateSolver`, {
  TextEncoder,
}) as Solver

it('the page’s own SHA-256 is SHA-256, whatever the length of the salt, in one slice or in many', () => {
  for (let length = 0; length < 140; length++) {
    const salt = 'é'.repeat(length % 3) + 'x'.repeat(length)
    const number = length * 37
    const solver = createSolver({ salt, challenge: hash('sha256', `${salt}${number}`), maxnumber: 10_000 })
    let found: Found = {}
    for (let slice = 0; found.number === undefined; slice++) {
      expect(slice).toBeLessThan(20)
      found = solver(700)
      if (found.number === undefined) expect(found.tried).toBe(700 * (slice + 1))
    }
    expect(found.number, `length ${length}`).toBe(number)
  }
})

it('a puzzle without a solution has an end', () => {
  expect(createSolver({ salt: 'a', challenge: '0'.repeat(64), maxnumber: 100 })(1_000).number).toBeNull()
})
