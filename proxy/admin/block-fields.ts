import { z } from 'zod'
import { formatCidr, parseCidr } from '../state/addresses/cidr.ts'
import type { Block } from '../state/blocks/block.ts'
import { LONGEST_SECONDS, plainReason, REASON_LIMIT, reasonProblem } from '../state/blocks/block-text.ts'

/** What requests about blocks are made of. */

const RANGE_MEANING = 'expected an address or a range, as in 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32'
const ADDRESS_MEANING = 'expected an address, as in 192.0.2.7 or 2001:db8::7'
const SECONDS_MEANING = `expected a whole number of seconds from 1 to ${LONGEST_SECONDS}; for more, say permanent`

/** As it is kept: 192.0.2.9/24 is 192.0.2.0/24. */
export const rangeField = () => z.string(RANGE_MEANING).check(isRange).overwrite(canonical)

export const addressField = () =>
  z
    .string(ADDRESS_MEANING)
    .check((context) => {
      if (!context.value.includes('/') && parseCidr(context.value) !== undefined) return
      context.issues.push({ code: 'custom', message: ADDRESS_MEANING, input: context.value })
    })
    .overwrite(canonical)

export const reasonField = () =>
  z
    .string(`expected a text of up to ${REASON_LIMIT} characters`)
    .check((context) => {
      const message = reasonProblem(context.value)
      if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value })
    })
    .overwrite(plainReason)

export const secondsField = () => z.int(SECONDS_MEANING).min(1, SECONDS_MEANING).max(LONGEST_SECONDS, SECONDS_MEANING)

/** The same in a query, where all is text. */
export const secondsText = () =>
  z
    .string()
    .regex(/^\d{1,9}$/, SECONDS_MEANING)
    .transform(Number)
    .pipe(secondsField())

export const sourceField = () => z.enum(['auto', 'manual'], 'expected auto or manual')

export const flagField = () => z.literal('true', 'expected true, or nothing at all')

const isRange = (context: z.core.ParsePayload<string>): void => {
  if (parseCidr(context.value) !== undefined) return
  context.issues.push({ code: 'custom', message: RANGE_MEANING, input: context.value })
}

const canonical = (text: string): string => {
  const cidr = parseCidr(text)
  return cidr === undefined ? text : formatCidr(cidr)
}

/** The last moment that a date can tell of. */
const LAST_MS = 8.64e15

export const timeText = (ms: number): string => new Date(Math.min(ms, LAST_MS)).toISOString()

/** A block as it is told of. */
export const toldBlock = ({ range, source, author, reason, sinceMs, untilMs, count }: Block) => ({
  ...{ range, source, author, reason, since: timeText(sinceMs) },
  until: untilMs === Number.POSITIVE_INFINITY ? null : timeText(untilMs),
  count,
})
