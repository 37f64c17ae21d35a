import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Logger } from '#shared/log.ts'
import type { PurgingState } from '../cdn/purge/open.ts'
import { type PurgeKind, type PurgeReport, urlParts } from '../cdn/purge/purge-order.ts'
import { audit } from './audit.ts'
import { refuse } from './refuse.ts'

/**
 * What has changed leaves the proxies and the CDN:
 *
 *     POST /api/purges       {urls | tags | prefixes | everything: true, soft?}: answered once all proxies have carried it out
 *     GET  /api/purges/:id   what has become of it, for a week
 */
export const purgeRoutes = (admin: FastifyInstance, { purges, provider }: PurgingState, log: Logger): void => {
  admin.post<{ Body: z.output<typeof purgeBody> }>(
    '/api/purges',
    { schema: { operationId: 'purge', body: purgeBody }, config: { role: 'operate' } },
    async (request, reply) => {
      const { soft: isSoft = true } = request.body
      const { kind, values } = targetOf(request.body)
      const cdn = await provider()
      const problem = cdn?.problemOf(kind, values)
      if (problem !== undefined) return refuse(reply, 422, 'Unprocessable Content', problem)
      const report = await purges.order({ kind, values, isSoft, author: request.caller.name }, cdn !== undefined)
      if (report === undefined) {
        reply.header('Retry-After', '5')
        return refuse(reply, 503, 'Service Unavailable', 'Redis is lost: the purge is not accepted. Try again later.')
      }
      const { id, instances } = toldPurge(report)
      audit(log, request, 'purge ordered', {
        purge: id,
        kind,
        values: values.slice(0, 20),
        count: values.length,
        isSoft,
        instances,
      })
      return reply.status(202).header('Location', `/api/purges/${id}`).send(toldPurge(report))
    },
  )

  admin.get<{ Params: { id: string } }>(
    '/api/purges/:id',
    { schema: { operationId: 'getPurge', params: purgeParams }, config: { role: 'read' } },
    async (request, reply) => {
      const { id } = request.params
      const report = await purges.report(id)
      if (report === undefined) {
        return refuse(
          reply,
          503,
          'Service Unavailable',
          'Redis is lost: what has become of the purge is not known. Try again later.',
        )
      }
      if (report === 'unknown')
        return refuse(reply, 404, 'Not Found', `There is no purge ${id}, or it is older than a week.`)
      return reply.send(toldPurge(report))
    },
  )
}

const toldPurge = ({ order, delivery, instances }: PurgeReport) => {
  const { id, kind, values, isSoft, author, at } = order
  return { id, kind, values, soft: isSoft, author, at, delivery, instances }
}

const targetOf = (body: z.output<typeof purgeBody>): { kind: PurgeKind; values: readonly string[] } => {
  if (body.urls !== undefined) return { kind: 'url', values: unique(body.urls) }
  if (body.tags !== undefined) return { kind: 'tag', values: unique(body.tags) }
  if (body.prefixes !== undefined) return { kind: 'prefix', values: unique(body.prefixes) }
  return { kind: 'everything', values: [] }
}

const unique = (values: readonly string[]): string[] => [...new Set(values)]

const VALUES_LIMIT = 500
/** Each is held against each reply that is kept. */
const PREFIXES_LIMIT = 20
const URL_MEANING = 'expected an absolute URL without dot segments, as in https://shop.example/listings/7'
const TAG_MEANING = 'expected a tag of up to 1024 characters without spaces and commas'
const ONE_MEANING = 'expected exactly one of urls, tags, prefixes and everything'

const list = (value: z.ZodType<string>, limit = VALUES_LIMIT) => {
  const meaning = `expected a list of 1 to ${limit}`
  return z.array(value, meaning).min(1, meaning).max(limit, meaning).optional()
}

const url = () =>
  z
    .string(URL_MEANING)
    .max(8_192, URL_MEANING)
    .refine((text) => urlParts(text) !== undefined && /^[\x21-\x7e]+$/.test(text), URL_MEANING)

export const purgeBody = z
  .strictObject(
    {
      urls: list(url()).describe('Exactly these. In the proxies whatever their host is.'),
      tags: list(z.string(TAG_MEANING).regex(/^[^\s,\p{Cc}]{1,1024}$/u, TAG_MEANING)).describe(
        'Whatever has any of them.',
      ),
      prefixes: list(url(), PREFIXES_LIMIT).describe('Whatever begins so.'),
      everything: z.literal(true, 'expected true, or nothing at all').optional(),
      soft: z
        .boolean('expected true or false')
        .optional()
        .describe(
          'true (the default): the CDN may still serve it while it fetches it anew, or cannot, where it knows of that.',
        ),
    },
    ONE_MEANING,
  )
  .refine(
    ({ urls, tags, prefixes, everything }) =>
      [urls, tags, prefixes, everything].filter((one) => one !== undefined).length === 1,
    ONE_MEANING,
  )

const purgeParams = z.strictObject({
  id: z.string().regex(/^[0-9a-f-]{36}$/, 'expected the ID of a purge'),
})
