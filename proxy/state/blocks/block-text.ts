/** What operators write of a block: the same for one and for a list of them. */

/** In characters. */
export const REASON_LIMIT = 200
/** Ten years; what is to last longer has no end. */
export const LONGEST_SECONDS = 315_360_000

/** What a terminal would obey, what reverses the order of what is read, and what would begin another line of a list. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu

/** @returns what is wrong with it, and the remedy; undefined where nothing is */
export const reasonProblem = (reason: string): string | undefined => {
  if (reason.length > REASON_LIMIT) return `the reason is longer than ${REASON_LIMIT} characters: shorten it`
  if (reason.search(UNSAFE) >= 0) return 'the reason has control or invisible characters in it: leave them out'
  return undefined
}

/** On one line, words with one blank between them, and no longer than may be: as it is kept, and can be read again. */
export const plainReason = (reason: string): string =>
  reason.replace(UNSAFE, ' ').replace(/\s+/gu, ' ').trim().slice(0, REASON_LIMIT).replace(UNSAFE, '').trim()
