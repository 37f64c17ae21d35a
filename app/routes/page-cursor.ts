import { z } from 'zod'
import type { ListingOrder } from './listing-schemas.ts'

/** Where a page ended: the sort value of its last row, and the row's ID to tell it from others of that value. */
export interface PageCursor {
  readonly order: ListingOrder
  /** Milliseconds since the epoch, or cents. */
  readonly value: number
  readonly id: string
}

const TIME_LIMIT_MS = Date.UTC(9_999, 11, 31, 23, 59, 59, 999)
const INTEGER_LIMIT = 2 ** 31 - 1

const time = z.int().min(0).max(TIME_LIMIT_MS)
const integer = z.int().min(0).max(INTEGER_LIMIT)

const content = z.union([
  z.tuple([z.enum(['createdAt', '-createdAt']), time, z.guid()]),
  z.tuple([z.enum(['priceCents', '-priceCents']), integer, z.guid()]),
])

/** Opaque to clients, so that what it holds may change. */
export const writeCursor = ({ order, value, id }: PageCursor): string =>
  Buffer.from(JSON.stringify([order, value, id])).toString('base64url')

/** Undefined for a text that is no cursor of ours: it comes from outside, and its values go into a query. */
export const readCursor = (text: string): PageCursor | undefined => {
  const parsed = content.safeParse(parseJson(Buffer.from(text, 'base64url').toString()))
  if (!parsed.success) return undefined
  const [order, value, id] = parsed.data
  return { order, value, id }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not JSON, so not a cursor
  }
}
