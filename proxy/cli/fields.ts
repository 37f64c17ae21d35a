/** Reads out of a reply of which nothing is sure: it may be of another release, or of no Sidegate at all. */

export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is not there, or is no object, has no fields. */
export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** A value in a few characters, a text as it is; `-` for what is not there. */
export const told = (value: unknown): string => {
  if (value === undefined || value === null) return '-'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

export const isVersion = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

export const counted = (count: unknown, noun: string): string => `${told(count)} ${noun}${count === 1 ? '' : 's'}`

/** A share as a percentage: 0.0123 is `1.23 %`. */
export const percent = (share: unknown): string =>
  typeof share === 'number' ? `${Number((share * 100).toFixed(2))} %` : '-'
