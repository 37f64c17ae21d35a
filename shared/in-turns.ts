import { setImmediate as others } from 'node:timers/promises'

/** The event loop is not held up for much longer by one piece of work. */
const TURN_MS = 5

/** Runs long work by turns: between what it yields, everybody else has theirs. @returns what it comes to */
export const inTurns = async <Result>(work: Generator<unknown, Result>): Promise<Result> => {
  let beganMs = performance.now()
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    if (performance.now() - beganMs < TURN_MS) continue
    await others()
    beganMs = performance.now()
  }
}
