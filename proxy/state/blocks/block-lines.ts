import type { DocumentProblem } from '#shared/document-problem.ts'
import { formatCidr, parseCidr } from '../addresses/cidr.ts'
import type { Block } from './block.ts'

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

export type BlockLines =
  | { readonly kind: 'read'; readonly lines: readonly BlockLine[] }
  | { readonly kind: 'bad'; readonly problems: readonly DocumentProblem[] }

const PERMANENT = 'permanent'
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z$/
/** What a text of ours may hold: no control characters, which a terminal would obey. */
const REASON = /^[^\p{Cc}]*$/u
export const REASON_LIMIT = 200
const PROBLEMS_LIMIT = 100

/** All that is wrong is told by its line; then nothing of it is to be taken. */
export const readBlockLines = (text: string): BlockLines => {
  const lines: BlockLine[] = []
  const problems: DocumentProblem[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const found = readLine(line)
    if (typeof found !== 'string') lines.push(found)
    else if (problems.push({ path: `line ${index + 1}`, message: found }) >= PROBLEMS_LIMIT) break
  }
  return problems.length === 0 ? { kind: 'read', lines } : { kind: 'bad', problems }
}

/** @returns what is wrong with it, as a text */
const readLine = (line: string): BlockLine | string => {
  const [word = '', ...words] = line.split(/[ \t]+/)
  const cidr = parseCidr(word)
  if (cidr === undefined) {
    return `"${word.slice(0, 60)}" is no address and no range: expected one as in 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32`
  }
  const untilMs = endOf(words[0])
  if (Number.isNaN(untilMs)) return `"${words[0]}" is a time that there is not: expected one as in 2026-12-01T00:00:00Z`
  const reason = words.slice(untilMs === undefined ? 0 : 1).join(' ')
  if (reason.length > REASON_LIMIT) return `the reason is longer than ${REASON_LIMIT} characters: shorten it`
  if (!REASON.test(reason)) return 'the reason has control characters in it: leave them out'
  return { range: formatCidr(cidr), untilMs, reason }
}

/** Undefined where the word is no time, NaN where it is one that the calendar does not have. */
const endOf = (word: string | undefined): number | undefined => {
  if (word === PERMANENT) return Number.POSITIVE_INFINITY
  return word !== undefined && TIME.test(word) ? Date.parse(word) : undefined
}

/** A block as such a line: read again, it is the same range, end and reason. */
export const blockLine = ({ range, untilMs, reason }: Pick<Block, 'range' | 'untilMs' | 'reason'>): string => {
  const until = untilMs === Number.POSITIVE_INFINITY ? PERMANENT : new Date(untilMs).toISOString()
  return `${range} ${until}${reason === '' ? '' : ` ${reason}`}\n`
}
