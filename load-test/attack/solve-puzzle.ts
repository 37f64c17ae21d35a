import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'

/** What a challenged reply carries (docs/challenge.md). */
const challenged = z.object({
  challenge: z.object({
    challenge: z.string(),
    salt: z.string(),
    signature: z.string(),
    maxnumber: z.int(),
    answerTo: z.string(),
  }),
})

export type Puzzle = z.output<typeof challenged>['challenge']

/** Undefined for a reply that has none. */
export const puzzleIn = (body: unknown): Puzzle | undefined => challenged.safeParse(body).data?.challenge

/** So many hashes are computed before others have their turn: they are other users, who solve nothing. */
const TURN_HASHES = 1_000

/** The answer to be posted. @throws Error where the puzzle has none */
export const solvePuzzle = async (puzzle: Puzzle): Promise<Puzzle & { readonly number: number }> => {
  for (let number = 0; number <= puzzle.maxnumber; number++) {
    if (createHash('sha256').update(`${puzzle.salt}${number}`).digest('hex') === puzzle.challenge) {
      return { ...puzzle, number }
    }
    if (number % TURN_HASHES === 0) await nextTurn()
  }
  throw new Error('the puzzle has no solution')
}
