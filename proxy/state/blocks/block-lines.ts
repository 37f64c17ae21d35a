import type { DocumentProblem } from '#shared/document-problem.ts'
import { formatCidr, parseCidr } from '../addresses/cidr.ts'
import { plainReason, reasonProblem } from './block-text.ts'
import { isWide, wideRangeProblem } from './wide-range.ts'

/**
 * Blocks as plain lines, one a line, as lists of addresses come:
 *
 *     # a comment, and empty lines, are passed over
 *     192.0.2.7
 *     198.51.100.0/24 permanent scrapes everything
 *     2001:db8::/48 2026-12-01T00:00:00Z until their hoster answers
 *
 * Of what follows the range, a first word that is a time or `permanent` is its end, and all else is the reason.
 */
export interface BlockLine {
  readonly range: string
  /** Wall clock; Infinity for permanent; undefined where the line does not say. */
  readonly untilMs: number | undefined
  /** Empty where the line does not say. */
  readonly reason: string
}

export interface BlockLinesReading {
  /** Whether a line need not say when it ends. */
  readonly isEndGiven: boolean
  /** Wide ranges that are meant, as {@link formatCidr} has them. */
  readonly confirmed: readonly string[]
  /** Of lines that are not passed over. */
  readonly linesLimit: number
}

export type BlockLines =
  | { readonly kind: 'read'; readonly lines: readonly BlockLine[] }
  | { readonly kind: 'bad'; readonly problems: readonly DocumentProblem[] }

const PERMANENT = 'permanent'
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z$/
const LAST_MS = Date.UTC(9999, 11, 31)
const PROBLEMS_LIMIT = 100
const SLICE_LINES = 500
/** To take a line apart costs as much as it is long. */
const LINE_LIMIT = 1_024

/**
 * Reads it by slices, between which others may have their turn, and none of which need be kept. All that is wrong is told
 * by its line; then nothing of it is to be taken.
 *
 * @returns the problems
 */
export function* slicesOfBlockLines(
  text: string,
  reading: BlockLinesReading,
): Generator<readonly BlockLine[], readonly DocumentProblem[]> {
  const problems: DocumentProblem[] = []
  let slice: BlockLine[] = []
  let count = 0
  let start = 0
  for (let number = 1; start <= text.length && problems.length < PROBLEMS_LIMIT; number++) {
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    const isLong = end - start > LINE_LIMIT
    const line = text.slice(start, isLong ? start + LINE_LIMIT : end).trim()
    start = end + 1
    if (number % SLICE_LINES === 0) {
      yield slice
      slice = []
    }
    if (line === '' || line.startsWith('#')) continue
    const found = isLong ? TOO_LONG : readLine(line, reading)
    if (typeof found === 'string') problems.push({ path: `line ${number}`, message: found })
    else if (++count <= reading.linesLimit) slice.push(found)
    else {
      problems.push({ path: `line ${number}`, message: `there are more than ${reading.linesLimit} lines: split them` })
      break
    }
  }
  if (slice.length > 0) yield slice
  return problems
}

/** The same for whoever holds nobody up. */
export const readBlockLines = (text: string, reading: BlockLinesReading): BlockLines => {
  const slices = slicesOfBlockLines(text, reading)
  const lines: BlockLine[] = []
  for (;;) {
    const next = slices.next()
    if (next.done === true) {
      return next.value.length === 0 ? { kind: 'read', lines } : { kind: 'bad', problems: next.value }
    }
    for (const line of next.value) lines.push(line)
  }
}

/** @returns what is wrong with it, as a text */
const readLine = (line: string, { isEndGiven, confirmed }: BlockLinesReading): BlockLine | string => {
  const [word = '', ...words] = line.split(/\s+/u)
  const cidr = parseCidr(word)
  if (cidr === undefined) {
    return `"${word.slice(0, 60)}" is no address and no range: expected one as in 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32`
  }
  const range = formatCidr(cidr)
  if (isWide(cidr) && !confirmed.includes(range)) {
    return wideRangeProblem(cidr, `where it is meant, say so with confirm=${range}`)
  }
  const untilMs = endOf(words[0])
  if (Number.isNaN(untilMs)) return `"${words[0]}" is a time that there is not: expected one as in 2026-12-01T00:00:00Z`
  if (untilMs === undefined && !isEndGiven) return NO_END
  const reason = words.slice(untilMs === undefined ? 0 : 1).join(' ')
  return reasonProblem(reason) ?? { range, untilMs, reason }
}

const TOO_LONG = `is longer than ${LINE_LIMIT} characters: write one address or range a line`

const NO_END =
  'does not say when it ends: write a time or "permanent" behind the range, or give seconds or permanent for all'

/** Undefined where the word is no time, NaN where it is one that the calendar does not have. */
const endOf = (word: string | undefined): number | undefined => {
  if (word === PERMANENT) return Number.POSITIVE_INFINITY
  if (word === undefined || !TIME.test(word)) return undefined
  const untilMs = Date.parse(word)
  // The 30th of February would be the 2nd of March.
  return new Date(untilMs || 0).toISOString().startsWith(word.slice(0, 16)) ? untilMs : Number.NaN
}

/** A block as such a line: read again, it is the same range, end and reason. */
export const blockLine = ({ range, untilMs, reason }: BlockLine): string => {
  const until = untilMs === undefined ? [] : [untilMs > LAST_MS ? PERMANENT : new Date(untilMs).toISOString()]
  const plain = plainReason(reason)
  return `${[range, ...until, ...(plain === '' ? [] : [plain])].join(' ')}\n`
}
