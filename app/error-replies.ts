import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { REQUEST_ID_HEADER } from '#shared/correlation.ts'
import { PROBLEM_JSON, problem } from '#shared/problem.ts'
import { DatabaseUnavailable } from './db/unavailable.ts'
import { ProblemError } from './problem-error.ts'
import { WorkInVain } from './request-work.ts'

/** Long enough for a probe to find the database back. */
const RETRY_AFTER_SECONDS = 2

/** What is wrong with a request that the framework refuses, in our own words: its own may change with its version. */
const FRAMEWORK_DETAILS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The body must be application/json.',
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is too large.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty where JSON was announced.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as Content-Length says.',
  FST_ERR_BAD_URL: 'The URL is not valid.',
}

/** What a client is told of an error. Of one that was not foreseen it learns nothing but that. */
const toProblemError = (error: unknown): ProblemError => {
  if (error instanceof ProblemError) return error
  if (error instanceof DatabaseUnavailable) {
    return new ProblemError(503, 'The database does not answer at present.', {
      headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
    })
  }
  if (error instanceof WorkInVain) {
    return new ProblemError(504, 'The request was not answered within the time that was left for it.')
  }
  const { statusCode = 500, code = '' } = error instanceof Error ? (error as FastifyError) : {}
  return statusCode >= 400 && statusCode < 500
    ? new ProblemError(statusCode, FRAMEWORK_DETAILS[code] ?? 'The request is not valid.')
    : new ProblemError(500, 'Something went wrong here. The correlation ID leads to it in the log.')
}

/**
 * The only place where an error becomes a reply. It does not log: the request's one log line carries the error, which it
 * is handed by `request.failure`.
 */
export const replyWithProblem = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
  const problemError = toProblemError(error)
  const { status, message, extras } = problemError
  // What is the client's fault needs no stack in the log.
  request.failure = status < 500 ? problemError : error
  const body = problem(status, STATUS_CODES[status] ?? 'Error', message, request.id, extras.errors)
  // As bytes: a route's reply schemas are for what it answers itself, and a text's type would be given a charset.
  reply
    .code(status)
    .headers({ ...extras.headers, [REQUEST_ID_HEADER]: request.id, 'Content-Type': PROBLEM_JSON })
    .send(Buffer.from(JSON.stringify(body)))
}
