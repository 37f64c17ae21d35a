import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { serializerCompiler } from 'fastify-type-provider-zod'
import { closeEveryConnection } from '#shared/close-connections.ts'
import { continueTrace, isRequestId, mintRequestId, REQUEST_ID_HEADER } from '#shared/correlation.ts'
import type { Health } from '#shared/health.ts'
import type { Logger } from '#shared/log.ts'
import { PROBLEM_JSON, problem } from '#shared/problem.ts'
import type { Database } from './db/database.ts'
import { replyWithProblem } from './error-replies.ts'
import { answerMethodNotAllowed } from './method-not-allowed.ts'
import type { AppMetrics } from './metrics.ts'
import { describeApi } from './openapi.ts'
import { recordWhenClosed } from './request-log.ts'
import { validateByZod } from './request-validation.ts'
import { limitWork } from './request-work.ts'
import { listingRoutes } from './routes/listings.ts'
import { nothingHere, operationRoutes } from './routes/operations.ts'

/** No listing comes near: its longest text is 5,000 characters. */
const BODY_LIMIT_BYTES = 64 * 1_024

export interface AppParts {
  readonly log: Logger
  readonly version: string
  readonly database: Database
  readonly health: Health
  readonly metrics: AppMetrics
}

/** The API, ready to be listened for. It leaves closing to the drain: it never answers 503 by itself. */
export const buildServer = async (parts: AppParts): Promise<FastifyInstance> => {
  const log: FastifyBaseLogger = parts.log
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'correlationId' }),
    genReqId: correlationId,
    childLoggerFactory: (logger, bindings, options, request) =>
      logger.child({ ...bindings, ...traceBindings(request) }, options),
    bodyLimit: BODY_LIMIT_BYTES,
    // Longer than the proxy keeps an idle connection, so that it is the one to close it.
    keepAliveTimeout: 75_000,
    requestTimeout: 60_000,
    return503OnClosing: false,
    // For what fails before there is a route, and so before any hook.
    frameworkErrors: (error, request, reply) => {
      recordWhenClosed(request, reply, parts.metrics)
      replyWithProblem(error, request, reply)
    },
    clientErrorHandler: answerBrokenRequest,
  })
  app.setValidatorCompiler(validateByZod)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(replyWithProblem)
  app.setNotFoundHandler((request, reply) => replyWithProblem(nothingHere(), request, reply))
  app.removeContentTypeParser('text/plain')
  app.decorateRequest('failure', undefined)
  app.decorateRequest('work')
  app.addHook('onRequest', (request, reply, done) => {
    recordWhenClosed(request, reply, parts.metrics)
    limitWork(request, reply)
    reply.header(REQUEST_ID_HEADER, request.id)
    done()
  })
  closeEveryConnection(app)
  const refuseOtherMethods = answerMethodNotAllowed(app)

  await describeApi(app, parts.version)
  await app.register(listingRoutes(parts.database))
  await app.register(operationRoutes(parts.health, parts.metrics.registry))
  refuseOtherMethods()
  await app.ready()
  return app
}

const single = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value

/** The proxy's, or one of our own for a request that did not come through it. */
const correlationId = (request: IncomingMessage): string => {
  const given = single(request.headers['x-request-id'])
  return given !== undefined && isRequestId(given) ? given : mintRequestId()
}

const traceBindings = (request: IncomingMessage): object => {
  const given = single(request.headers['x-request-id'])
  return {
    traceId: continueTrace(single(request.headers.traceparent)).traceId,
    ...(given !== undefined && !isRequestId(given) && { clientRequestId: given.slice(0, 200) }),
  }
}

/** What the parser could not read has no request to log or to answer by; the peer is told, and hung up on. */
function answerBrokenRequest(this: FastifyInstance, error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const id = mintRequestId()
  this.log.info({ err: error, correlationId: id, status }, 'request could not be read')
  const title = STATUS_CODES[status] ?? 'Error'
  const body = JSON.stringify(problem(status, title, 'The request could not be read.', id))
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    `Content-Type: ${PROBLEM_JSON}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${REQUEST_ID_HEADER}: ${id}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
