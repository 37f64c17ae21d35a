import { z } from 'zod'
import { parseCidr } from '../addresses/cidr.ts'

/** Kinds of fields of a policy. Numbers carry their unit in the field's name; a text with a unit in it is refused. */

const NAME = /^[a-z][a-z0-9-]{0,62}$/
const NAME_MEANING = 'expected a name of lower-case letters, digits and "-", beginning with a letter'

/** What parts of a policy call one another by. */
export const name = () => z.string(NAME_MEANING).regex(NAME, NAME_MEANING)

interface Limits {
  readonly min: number
  readonly max: number
}

const whole = (what: string, { min, max }: Limits) => {
  const meaning = `expected ${what} as a whole number from ${min} to ${max}, without a unit`
  return z.number(meaning).int(meaning).min(min, meaning).max(max, meaning)
}

export const milliseconds = (limits: Limits) => whole('milliseconds', limits)
export const seconds = (limits: Limits) => whole('seconds', limits)
export const bytes = (limits: Limits) => whole('bytes', limits)
export const count = (limits: Limits) => whole('a count', limits)

/** A part of a whole. */
export const share = (limits: Limits = { min: 0, max: 1 }) => {
  const meaning = `expected a share from ${limits.min} to ${limits.max}, as in 0.05 for 5 %`
  return z.number(meaning).min(limits.min, meaning).max(limits.max, meaning)
}

export const factor = (limits: Limits) => {
  const meaning = `expected a factor from ${limits.min} to ${limits.max}`
  return z.number(meaning).min(limits.min, meaning).max(limits.max, meaning)
}

export const flag = () => z.boolean('expected true or false')

export const oneOf = <const Words extends readonly [string, ...string[]]>(...words: Words) =>
  z.enum(words, `expected one of ${words.join(', ')}`)

/** Of a header, as RFC 9110 has it. */
export const token = () => {
  const meaning = 'expected a header name, as in X-Api-Key'
  return z.string(meaning).regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, meaning)
}

/** A part of which every field has a default, and which may itself be left out. */
export const part = <Shape extends z.ZodRawShape>(shape: Shape) => z.strictObject(shape).prefault({} as never)

/** An address or a CIDR range, of either family. */
export const range = () => {
  const meaning = 'expected an address or a range, as in 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32'
  return z.string(meaning).refine((text) => parseCidr(text) !== undefined, meaning)
}

export const webUrl = () => {
  const meaning =
    'expected a URL that begins with https:// or http://, without a user and a password, which are no secret in a policy'
  return z.string(meaning).refine((text) => {
    const url = /^https?:\/\//.test(text) ? URL.parse(text) : null
    return url !== null && url.username === '' && url.password === ''
  }, meaning)
}

const PATH_MEANING =
  'expected a path such as /listings, /listings/:id or /media/*: segments of text, ":name" for any one, and a "*" at the end for any number'
const SEGMENT = "(?::[a-z][A-Za-z0-9]*|[A-Za-z0-9._~!$&'()+,;=@%-]+)"

/** What paths a route is for. */
export const pathPattern = () =>
  z
    .string(PATH_MEANING)
    .regex(new RegExp(String.raw`^/(?:${SEGMENT}(?:/${SEGMENT})*)?(?:(?<=/)\*|/\*|/)?$`), PATH_MEANING)
