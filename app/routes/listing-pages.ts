import type { Listing, Prisma } from '../db/generated/client.ts'
import type { QueryClient } from '../db/query-client.ts'
import type { ListingOrder, ListingQuery } from './listing-schemas.ts'
import { type PageCursor, writeCursor } from './page-cursor.ts'

export interface ListingRows {
  readonly rows: readonly Listing[]
  readonly nextCursor: string | null
}

/**
 * One page, from where the last one ended (keyset pagination): rows that come and go between two pages neither repeat
 * nor hide the others, and the thousandth page costs what the first did.
 */
export const findPage = async (
  client: QueryClient,
  query: ListingQuery,
  cursor: PageCursor | undefined,
): Promise<ListingRows> => {
  const found = await client.listing.findMany({
    where: { AND: [filter(query), ...(cursor === undefined ? [] : [beyond(cursor)])] },
    orderBy: ORDER_BY[query.sort],
    take: query.limit + 1, // one more, to know whether there is a next page
  })
  const rows = found.slice(0, query.limit)
  const last = rows.at(-1)
  return {
    rows,
    nextCursor: last === undefined || found.length <= query.limit ? null : writeCursor(cursorAt(last, query.sort)),
  }
}

/** The ID breaks ties, as many rows share a price; each order is that of an index, read forwards or backwards. */
const ORDER_BY: Readonly<Record<ListingOrder, Prisma.ListingOrderByWithRelationInput[]>> = {
  createdAt: [{ createdAt: 'asc' }, { id: 'asc' }],
  '-createdAt': [{ createdAt: 'desc' }, { id: 'desc' }],
  priceCents: [{ priceCents: 'asc' }, { id: 'asc' }],
  '-priceCents': [{ priceCents: 'desc' }, { id: 'desc' }],
}

const filter = (query: ListingQuery): Prisma.ListingWhereInput => ({
  ...(query.category !== undefined && { category: query.category }),
  ...(query.city !== undefined && { city: query.city }),
  ...(query.status !== undefined && { status: query.status }),
  priceCents: {
    ...(query.minPriceCents !== undefined && { gte: query.minPriceCents }),
    ...(query.maxPriceCents !== undefined && { lte: query.maxPriceCents }),
  },
})

/** What lies past the cursor. The condition on the value alone says no more, but lets PostgreSQL start in the index. */
const beyond = ({ order, value, id }: PageCursor): Prisma.ListingWhereInput => {
  const at = new Date(value)
  switch (order) {
    case 'createdAt':
      return { createdAt: { gte: at }, OR: [{ createdAt: { gt: at } }, { id: { gt: id } }] }
    case '-createdAt':
      return { createdAt: { lte: at }, OR: [{ createdAt: { lt: at } }, { id: { lt: id } }] }
    case 'priceCents':
      return { priceCents: { gte: value }, OR: [{ priceCents: { gt: value } }, { id: { gt: id } }] }
    case '-priceCents':
      return { priceCents: { lte: value }, OR: [{ priceCents: { lt: value } }, { id: { lt: id } }] }
  }
}

const cursorAt = (row: Listing, order: ListingOrder): PageCursor => ({
  order,
  id: row.id,
  value: order.endsWith('createdAt') ? row.createdAt.getTime() : row.priceCents,
})
