import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Database } from '../db/database.ts'
import { type Listing, Prisma } from '../db/generated/client.ts'
import { ProblemError } from '../problem-error.ts'
import { findPage } from './listing-pages.ts'
import {
  type ListingView,
  listing,
  listingChanges,
  listingId,
  listingPage,
  listingQuery,
  newListing,
} from './listing-schemas.ts'
import { readCursor } from './page-cursor.ts'
import { problemReplies } from './problem-schema.ts'

/** Which server answered: `primary`, `replica`, or `replica-behind`. */
const SERVED_BY_HEADER = 'X-Served-By'

/**
 * | | |
 * |---|---|
 * | `GET /listings`        | a page, filtered and sorted |
 * | `GET /listings/:id`    | one |
 * | `POST /listings`       | makes one |
 * | `PATCH /listings/:id`  | changes the fields that are named |
 * | `DELETE /listings/:id` | removes one |
 */
export const listingRoutes =
  (database: Database): FastifyPluginCallbackZod =>
  (app, _options, done) => {
    app.get(
      '/listings',
      {
        schema: {
          summary: 'A page of listings',
          querystring: listingQuery,
          response: { 200: listingPage, ...problemReplies(400, 503, 504) },
        },
      },
      async (request, reply) => {
        const { cursor: cursorText, sort } = request.query
        const cursor = cursorText === undefined ? undefined : readCursor(cursorText)
        if (cursorText !== undefined && cursor?.order !== sort) throw badCursor(cursor === undefined)
        const { value, servedBy } = await database.read(
          (client) => findPage(client, request.query, cursor),
          request.work,
        )
        reply.header(SERVED_BY_HEADER, servedBy)
        return { items: value.rows.map(view), nextCursor: value.nextCursor }
      },
    )

    app.get(
      '/listings/:id',
      {
        schema: {
          summary: 'One listing',
          params: listingId,
          response: { 200: listing, ...problemReplies(400, 404, 503, 504) },
        },
      },
      async (request, reply) => {
        const { id } = request.params
        const { value, servedBy } = await database.read(
          (client) => client.listing.findFirst({ where: { id } }),
          request.work,
        )
        reply.header(SERVED_BY_HEADER, servedBy)
        if (value === null) throw noSuchListing()
        return view(value)
      },
    )

    app.post(
      '/listings',
      {
        schema: {
          summary: 'Makes a listing',
          body: newListing,
          response: { 201: listing, ...problemReplies(400, 413, 415, 503, 504) },
        },
      },
      async (request, reply) => {
        const { value, servedBy } = await database.write(
          (client) => client.listing.create({ data: request.body }),
          request.work,
        )
        reply.code(201).header(SERVED_BY_HEADER, servedBy).header('Location', `/listings/${value.id}`)
        return view(value)
      },
    )

    app.patch(
      '/listings/:id',
      {
        schema: {
          summary: 'Changes the fields that are named',
          params: listingId,
          body: listingChanges,
          response: { 200: listing, ...problemReplies(400, 404, 413, 415, 503, 504) },
        },
      },
      async (request, reply) => {
        const { id } = request.params
        const { value, servedBy } = await orNoSuchListing(
          database.write((client) => client.listing.update({ where: { id }, data: request.body }), request.work),
        )
        reply.header(SERVED_BY_HEADER, servedBy)
        return view(value)
      },
    )

    app.delete(
      '/listings/:id',
      {
        schema: {
          summary: 'Removes a listing',
          params: listingId,
          response: { 204: z.undefined().describe('Removed'), ...problemReplies(400, 404, 503, 504) },
        },
      },
      async (request, reply) => {
        const { id } = request.params
        const { servedBy } = await orNoSuchListing(
          database.write((client) => client.listing.delete({ where: { id } }), request.work),
        )
        return reply.code(204).header(SERVED_BY_HEADER, servedBy).send()
      },
    )
    done()
  }

const view = (row: Listing): ListingView => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
})

const noSuchListing = () => new ProblemError(404, 'There is no such listing.')

const badCursor = (isMalformed: boolean) => {
  const detail = isMalformed ? 'is not a cursor of this API' : 'belongs to another sort order'
  return new ProblemError(400, 'The request is not valid: see errors.', {
    errors: [{ in: 'query', pointer: '/cursor', detail }],
  })
}

/** Prisma's code for a row to be changed or removed that is not there. */
const ROW_NOT_FOUND = 'P2025'

const orNoSuchListing = async <T>(write: Promise<T>): Promise<T> => {
  try {
    return await write
  } catch (error) {
    if (error instanceof Prisma.PrismaClientKnownRequestError && error.code === ROW_NOT_FOUND) throw noSuchListing()
    throw error
  }
}
