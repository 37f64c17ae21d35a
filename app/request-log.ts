import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AppMetrics } from './metrics.ts'
import { ProblemError } from './problem-error.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Why the request failed, for its log line. */
    failure: unknown
  }
}

/** What a client that went away is logged with; no such status is ever sent (nginx's 499). */
const CLIENT_CLOSED_REQUEST = 499

/** Asked every few seconds, by machines; a change of health is logged as such, once. */
const isRoutine = (path: string): boolean => path.startsWith('/health') || path === '/metrics'

/** Makes one log line and one measurement of a request, once its last byte is sent or its connection is gone. */
export const recordWhenClosed = (request: FastifyRequest, reply: FastifyReply, metrics: AppMetrics): void => {
  reply.raw.once('close', () => record(request, reply, metrics))
}

const record = (request: FastifyRequest, reply: FastifyReply, metrics: AppMetrics): void => {
  const status = reply.raw.writableFinished ? reply.statusCode : CLIENT_CLOSED_REQUEST
  // The pattern, not the path: a label for each ID would grow without end.
  const route = request.routeOptions.url ?? 'none'
  metrics.requestSeconds.observe({ method: request.method, route, status }, reply.elapsedTime / 1_000)
  const line = {
    method: request.method,
    path: request.url.split('?', 1)[0],
    status,
    durationMs: Math.round(reply.elapsedTime * 10) / 10,
    ...failureOf(request),
  }
  if (isRoutine(route)) request.log.debug(line, 'request')
  else if (status >= 500) request.log.error(line, 'request failed')
  else request.log.info(line, 'request')
}

/** A refusal is told by its words; only what went wrong on our side is worth a stack. */
const failureOf = ({ failure }: FastifyRequest): object => {
  if (failure === undefined) return {}
  if (failure instanceof ProblemError) {
    return { refusal: failure.message, ...(failure.extras.errors !== undefined && { errors: failure.extras.errors }) }
  }
  return { err: failure }
}
