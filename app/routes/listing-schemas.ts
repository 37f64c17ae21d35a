import { z } from 'zod'

/** Text of one line. PostgreSQL cannot store U+0000, and no control character belongs in a title or a town's name. */
const line = (lengthLimit: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(lengthLimit)
    .regex(/^\P{Cc}*$/u, 'must hold no control characters')

const paragraphs = (lengthLimit: number) =>
  z
    .string()
    .trim()
    .max(lengthLimit)
    .regex(/^(\P{Cc}|[\t\n\r])*$/u, 'must hold no control characters but tabs and line breaks')

const category = z
  .string()
  .max(40)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case words joined by hyphens')
const city = line(80)
const priceCents = z.int().min(0).max(1_000_000_000)
const status = z.enum(['available', 'reserved', 'sold'])

/** A whole number in a query string, and in the document that describes it. */
const queryInteger = (limits: { min: number; max: number }) =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(limits.min).max(limits.max))
    .meta({ type: 'integer', minimum: limits.min, maximum: limits.max, pattern: undefined })

const PAGE_LIMIT = 100
const PAGE_LIMIT_DEFAULT = 20

/** A minus sign sorts from the greatest to the least. */
export const listingOrder = z.enum(['-createdAt', 'createdAt', 'priceCents', '-priceCents'])
export type ListingOrder = z.output<typeof listingOrder>

export const listingQuery = z.strictObject({
  category: category.optional(),
  city: city.optional(),
  status: status.optional(),
  minPriceCents: queryInteger({ min: 0, max: 1_000_000_000 }).optional(),
  maxPriceCents: queryInteger({ min: 0, max: 1_000_000_000 }).optional(),
  sort: listingOrder.default('-createdAt'),
  limit: queryInteger({ min: 1, max: PAGE_LIMIT })
    .default(PAGE_LIMIT_DEFAULT)
    .describe(`${PAGE_LIMIT_DEFAULT} unless given`),
  cursor: z.string().max(512).optional().describe('`nextCursor` of the page before; only with the same `sort`'),
})
export type ListingQuery = z.output<typeof listingQuery>

export const listingId = z.strictObject({ id: z.guid() })

const fields = {
  title: line(120),
  description: paragraphs(5_000),
  category,
  priceCents,
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency code of ISO 4217'),
  city,
  status,
}

export const newListing = z.strictObject({
  ...fields,
  description: fields.description.default(''),
  currency: fields.currency.default('EUR'),
  status: fields.status.default('available'),
})

export const listingChanges = z
  .strictObject(fields)
  .exactPartial()
  .refine((changes) => Object.keys(changes).length > 0, 'must name at least one field to change')

export const listing = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    title: z.string(),
    description: z.string(),
    category: z.string(),
    priceCents,
    currency: z.string(),
    city: z.string(),
    status,
    createdAt: z.string().meta({ format: 'date-time' }),
    updatedAt: z.string().meta({ format: 'date-time' }),
  })
  .meta({ id: 'Listing' })
export type ListingView = z.output<typeof listing>

export const listingPage = z
  .object({
    items: z.array(listing),
    nextCursor: z.string().nullable().describe('Null on the last page'),
  })
  .meta({ id: 'ListingPage' })
