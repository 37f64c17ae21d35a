import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RouteOptions,
} from 'fastify'
import { closeEveryConnection } from '#shared/close-connections.ts'
import { isRequestId, mintRequestId } from '#shared/correlation.ts'
import type { HealthAnswers } from '#shared/health.ts'
import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import type { PurgingState } from '../cdn/purge/open.ts'
import type { AlertingState } from '../slo/alerts/open.ts'
import type { Slo } from '../slo/slo.ts'
import type { BlockingState } from '../state/blocks/open.ts'
import type { FleetEmergency } from '../state/emergency/emergency.ts'
import type { PolicyState } from '../state/policy/open.ts'
import { blockLinesRoutes } from './block-lines-routes.ts'
import { blockRoutes } from './block-routes.ts'
import { type CircuitControl, circuitRoutes } from './circuit-routes.ts'
import { type Drainable, drainRoutes } from './drain-routes.ts'
import { emergencyRoutes } from './emergency-routes.ts'
import { explainRoute } from './explain-route.ts'
import { type AdminTokens, guard } from './guard.ts'
import { policyRoutes } from './policy-routes.ts'
import { purgeRoutes } from './purge-routes.ts'
import { refuse } from './refuse.ts'
import { validateByZod } from './request-validation.ts'
import { shadowRoutes } from './shadow-routes.ts'
import { sloRoutes } from './slo-routes.ts'

/**
 * The admin port:
 *
 *     GET /health/live /health/ready /health   probes; no token
 *     GET /metrics                             Prometheus; no token
 *     …   /drain                               drain-routes.ts
 *     GET /api/status                          who runs here, since when, with what
 *     …   /api/policy                          policy-routes.ts
 *     …   /api/emergency                       emergency-routes.ts
 *     …   /api/blocks /api/explain             block-routes.ts
 *     …   /api/purges                          purge-routes.ts
 *     …   /api/circuits                        circuit-routes.ts
 *
 * All but the first two want a token (guard.ts). What each takes and answers: replies.ts.
 */
export interface AdminParts {
  readonly instance: Instance
  readonly log: Logger
  readonly health: HealthAnswers
  readonly tokens: AdminTokens
  readonly drainable: Drainable
  metrics(): Promise<{ contentType: string; text: string }>
  /** What this process, or each of its workers, has to say of itself. */
  status(): Readonly<Record<string, unknown>>
  /** Undefined where several workers without a Redis have nothing to agree by. */
  readonly policy: PolicyState | undefined
  /** The same. */
  readonly emergency: FleetEmergency | undefined
  /** The same. */
  readonly blocking: BlockingState | undefined
  /** The same. */
  readonly purging: PurgingState | undefined
  /** The same. */
  readonly slo: Pick<Slo, 'history'> | undefined
  /** The same. */
  readonly alerting: Pick<AlertingState, 'report'> | undefined
  readonly circuits: CircuitControl
}

const noCompiler = (): never => {
  throw new Error('the admin port checks with zod: it compiles no JSON Schema')
}

/** Fastify's own, left in place, are 3 MiB of memory that nobody uses. */
const NO_COMPILERS = { buildValidator: noCompiler, buildSerializer: noCompiler }

/** @param onRoute is told of each route, for who describes them */
export const adminServer = (parts: AdminParts, onRoute?: (route: RouteOptions) => void): FastifyInstance => {
  const admin = Fastify({
    loggerInstance: parts.log.child({ listener: 'admin' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    schemaController: { compilersFactory: NO_COMPILERS },
    // For what fails before there is a route, and so before any hook.
    frameworkErrors: (error, request, reply) => {
      setOwnHeaders(request, reply)
      return refuse(reply, error.statusCode ?? 400, 'Bad Request', error.message)
    },
    genReqId: (request) => {
      const offered = request.headers['x-request-id']
      return typeof offered === 'string' && isRequestId(offered) ? offered : mintRequestId()
    },
  })
  admin.setValidatorCompiler(validateByZod)
  if (onRoute !== undefined) admin.addHook('onRoute', onRoute)
  admin.addHook('onSend', async (request, reply) => setOwnHeaders(request, reply))

  closeEveryConnection(admin)

  admin.register((open, _options, done) => {
    for (const [path, operationId] of HEALTH_PATHS) {
      open.get(path, { schema: { operationId } }, (_request, reply) => {
        const answer = parts.health.answer(path)
        return reply.status(answer?.status ?? 500).send(answer?.body ?? {})
      })
    }
    open.get('/metrics', { schema: { operationId: 'getMetrics' } }, async (_request, reply) => {
      const { contentType, text } = await parts.metrics()
      return reply.type(contentType).send(text)
    })
    done()
  })
  admin.register((guarded, _options, done) => {
    guard(guarded, parts.tokens, parts.log)
    guarded.register((scope, _scopeOptions, scopeDone) => {
      drainRoutes(scope, parts.drainable, parts.log)
      scopeDone()
    })
    guarded.get(
      '/api/status',
      { schema: { operationId: 'getStatus' }, config: { role: 'read' } },
      async ({ caller }, reply) => {
        const { id, version } = parts.instance
        const shadow = await parts.policy?.shadow.report()
        return reply.send({ instance: id, version, token: caller, ...parts.status(), shadow })
      },
    )
    if (parts.policy !== undefined) {
      policyRoutes(guarded, parts.policy, parts.log)
      shadowRoutes(guarded, parts.policy, parts.log)
    } else {
      guarded.all('/api/policy*', { schema: { hide: true }, config: { role: 'read' } }, (_request, reply) =>
        refuse(reply, 503, 'Service Unavailable', NOTHING_TO_AGREE_BY),
      )
    }
    if (parts.emergency !== undefined) emergencyRoutes(guarded, parts.emergency, parts.log)
    else {
      guarded.all('/api/emergency', { schema: { hide: true }, config: { role: 'read' } }, (_request, reply) =>
        refuse(reply, 503, 'Service Unavailable', EACH_FOR_ITSELF),
      )
    }
    circuitRoutes(guarded, parts.circuits, parts.log)
    if (parts.policy !== undefined && parts.blocking !== undefined) {
      const { blocks, violations } = parts.blocking
      const { policies } = parts.policy
      blockRoutes(guarded, { blocks, policies }, parts.log)
      explainRoute(guarded, { blocks, policies, violations, emergency: parts.emergency })
      guarded.register((scope, _scopeOptions, scopeDone) => {
        blockLinesRoutes(scope, { blocks, policies }, parts.log)
        scopeDone()
      })
    } else {
      for (const path of ['/api/blocks', '/api/blocks/*', '/api/explain']) {
        guarded.all(path, { schema: { hide: true }, config: { role: 'read' } }, (_request, reply) =>
          refuse(reply, 503, 'Service Unavailable', NOTHING_TO_SHARE_BLOCKS_BY),
        )
      }
    }
    if (parts.policy !== undefined && parts.slo !== undefined && parts.alerting !== undefined) {
      const { slo, policy, alerting } = parts
      sloRoutes(guarded, { history: slo.history, policies: policy.policies, alerting })
    } else {
      guarded.all('/api/slo', { schema: { hide: true }, config: { role: 'read' } }, (_request, reply) =>
        refuse(reply, 503, 'Service Unavailable', NOTHING_TO_COUNT_TOGETHER_BY),
      )
    }
    if (parts.purging !== undefined) purgeRoutes(guarded, parts.purging, parts.log)
    else {
      guarded.all('/api/purges*', { schema: { hide: true }, config: { role: 'read' } }, (_request, reply) =>
        refuse(reply, 503, 'Service Unavailable', NOTHING_TO_SHARE_PURGES_BY),
      )
    }
    done()
  })

  admin.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'Not Found', 'The admin port has no such page.'))
  admin.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status < 500) return refuse(reply, status, TITLES[status] ?? 'Bad Request', error.message)
    request.log.error({ err: error, correlationId: request.id }, 'admin request failed')
    return refuse(reply, 500, 'Internal Server Error', 'The server met an unexpected condition.')
  })
  return admin
}

const setOwnHeaders = (request: FastifyRequest, reply: FastifyReply): void => {
  reply.header('X-Request-ID', request.id).header('Cache-Control', 'no-store')
}

/** A policy of a thousand routes comes near. */
const BODY_LIMIT_BYTES = 524_288

/** Of what Fastify itself refuses. Those of `node:http` would bring all of fetch with them: 4 MB. */
const TITLES: Readonly<Record<number, string>> = { 413: 'Content Too Large', 415: 'Unsupported Media Type' }

const HEALTH_PATHS = [
  ['/health/live', 'getLiveness'],
  ['/health/ready', 'getReadiness'],
  ['/health', 'getHealth'],
] as const

const NOTHING_TO_AGREE_BY =
  'With WORKERS above 1 the processes agree on a policy by Redis: set REDIS_URL, or change POLICY_FILE and start again.'

const EACH_FOR_ITSELF =
  'With WORKERS above 1 and no Redis, each process decides by its own signals: GET /api/status tells what each is in. Set REDIS_URL for one state of all.'
const NOTHING_TO_SHARE_PURGES_BY =
  'With WORKERS above 1 the processes hear of purges by Redis: set REDIS_URL, and start again.'
const NOTHING_TO_COUNT_TOGETHER_BY =
  'With WORKERS above 1 the processes count together by Redis: set REDIS_URL, and start again.'
const NOTHING_TO_SHARE_BLOCKS_BY =
  'With WORKERS above 1 the processes share blocks by Redis: set REDIS_URL, and start again.'
