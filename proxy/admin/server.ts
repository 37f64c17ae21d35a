import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify'
import { closeEveryConnection } from '#shared/close-connections.ts'
import { isRequestId, mintRequestId } from '#shared/correlation.ts'
import type { HealthAnswers } from '#shared/health.ts'
import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import type { PolicyStore } from '../state/policy/policy-store.ts'
import { isAuthorized } from './authorize.ts'
import { policyRoutes } from './policy-routes.ts'
import { refuse } from './refuse.ts'

/**
 * The admin port:
 *
 *     GET /health/live /health/ready /health   probes; no token
 *     GET /metrics                             Prometheus; no token
 *     GET /api/status                          who runs here, since when, with what; token
 *     …   /api/policy                          policy-routes.ts; token
 */
export interface AdminParts {
  readonly instance: Instance
  readonly log: Logger
  readonly health: HealthAnswers
  readonly token: string | undefined
  metrics(): Promise<{ contentType: string; text: string }>
  /** What this process, or each of its workers, has to say of itself. */
  status(): Readonly<Record<string, unknown>>
  /** Undefined where several workers without a Redis have nothing to agree by. */
  readonly policies: PolicyStore | undefined
}

const noCompiler = (): never => {
  throw new Error('the admin port checks with zod: it compiles no JSON Schema')
}

/** Fastify's own, left in place, are 3 MiB of memory that nobody uses. */
const NO_COMPILERS = { buildValidator: noCompiler, buildSerializer: noCompiler }

export const adminServer = (parts: AdminParts): FastifyInstance => {
  const admin = Fastify({
    loggerInstance: parts.log.child({ listener: 'admin' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 1_048_576,
    schemaController: { compilersFactory: NO_COMPILERS },
    genReqId: (request) => {
      const offered = request.headers['x-request-id']
      return typeof offered === 'string' && isRequestId(offered) ? offered : mintRequestId()
    },
  })
  admin.addHook('onSend', async (request, reply) => {
    reply.header('X-Request-ID', request.id).header('Cache-Control', 'no-store')
  })

  closeEveryConnection(admin)

  for (const path of ['/health/live', '/health/ready', '/health']) {
    admin.get(path, (_request, reply) => {
      const answer = parts.health.answer(path)
      return reply.status(answer?.status ?? 500).send(answer?.body ?? {})
    })
  }
  admin.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await parts.metrics()
    return reply.type(contentType).send(text)
  })
  // The guard is of these routes, and not of a text that the URL begins with: the router reads %61pi as api.
  admin.register((api, _options, done) => {
    api.addHook('onRequest', async (request, reply) => {
      if (!isAuthorized(request.headers.authorization, parts.token)) {
        return refuse(reply.header('WWW-Authenticate', 'Bearer'), 401, 'Unauthorized', unauthorizedDetail(parts.token))
      }
      if (isFromElsewhere(request)) {
        return refuse(reply, 403, 'Forbidden', 'A page of another origin may not change anything here.')
      }
      return undefined
    })
    api.get('/api/status', (_request, reply) =>
      reply.send({ instance: parts.instance.id, version: parts.instance.version, ...parts.status() }),
    )
    if (parts.policies !== undefined) policyRoutes(api, parts.policies, parts.log)
    else api.all('/api/policy*', (_request, reply) => refuse(reply, 503, 'Service Unavailable', NOTHING_TO_AGREE_BY))
    done()
  })

  admin.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'Not Found', 'The admin port has no such page.'))
  admin.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status < 500) return refuse(reply, status, 'Bad Request', error.message)
    request.log.error({ err: error, correlationId: request.id }, 'admin request failed')
    return refuse(reply, 500, 'Internal Server Error', 'The server met an unexpected condition.')
  })
  return admin
}

const NOTHING_TO_AGREE_BY =
  'With WORKERS above 1 the processes agree on a policy by Redis: set REDIS_URL, or change POLICY_FILE and start again.'

/** A browser says where the page is from that makes a request which changes something. */
const isFromElsewhere = ({ method, headers }: FastifyRequest): boolean =>
  method !== 'GET' && method !== 'HEAD' && headers.origin !== undefined && originHost(headers.origin) !== headers.host

const originHost = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined)

const unauthorizedDetail = (token: string | undefined): string =>
  token === undefined
    ? 'No token is configured, so this part of the admin port is off: set ADMIN_TOKEN.'
    : 'Send the admin token as Authorization: Bearer <token>.'
