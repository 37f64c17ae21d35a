import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import type { Health, HealthReply } from '#shared/health.ts'
import { ProblemError } from '../problem-error.ts'

/**
 * | not through the edge, any of them | |
 * |---|---|
 * | `GET /health/live`  | the process runs |
 * | `GET /health/ready` | it may be sent traffic |
 * | `GET /health`       | each dependency |
 * | `GET /metrics`      | for Prometheus |
 */
export const operationRoutes =
  (health: Health, registry: Registry): FastifyPluginCallback =>
  (app, _options, done) => {
    const hidden = { schema: { hide: true }, onRequest: refuseFromEdge }
    app.get('/health/live', hidden, (_request, reply) => answer(reply, health.live()))
    app.get('/health/ready', hidden, (_request, reply) => answer(reply, health.ready()))
    app.get('/health', hidden, (_request, reply) => answer(reply, health.report()))
    app.get('/metrics', hidden, async (_request, reply) => {
      reply.header('Cache-Control', 'no-store').type(registry.contentType)
      return registry.metrics()
    })
    done()
  }

const answer = (reply: FastifyReply, { status, body }: HealthReply): FastifyReply =>
  reply.code(status).header('Cache-Control', 'no-store').send(body)

/** What shows the inside, an instance's ID even, is not for the public. With `X-Forwarded-For` it came by the proxy. */
const refuseFromEdge = (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void =>
  done(request.headers['x-forwarded-for'] === undefined ? undefined : nothingHere())

/** The same for a path that is hidden and for one that does not exist. */
export const nothingHere = () => new ProblemError(404, 'There is nothing at this path.')
