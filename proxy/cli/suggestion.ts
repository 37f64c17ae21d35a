/** The word that was probably meant, or undefined where none is near. */
export const nearest = (word: string, words: readonly string[]): string | undefined => {
  const typed = word.slice(0, LONGEST)
  const limit = Math.max(1, Math.floor(typed.length / 3))
  const [best] = words
    .map((candidate) => ({ candidate, edits: editsBetween(typed, candidate) }))
    .filter(({ edits }) => edits <= limit)
    .sort((one, other) => one.edits - other.edits)
  return best?.candidate
}

/** Nothing longer is near to anything. */
const LONGEST = 40

/** Characters to insert, delete or replace until the one text is the other (Levenshtein). */
const editsBetween = (from: string, to: string): number => {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [row, character] of [...from].entries()) {
    const current = [row + 1]
    for (let column = 0; column < to.length; column++) {
      current.push(
        Math.min(
          (current[column] ?? 0) + 1,
          (previous[column + 1] ?? 0) + 1,
          (previous[column] ?? 0) + (to[column] === character ? 0 : 1),
        ),
      )
    }
    previous = current
  }
  return previous[to.length] ?? 0
}
