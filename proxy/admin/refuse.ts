import type { FastifyReply } from 'fastify'
import { PROBLEM_JSON, problem } from '#shared/problem.ts'

/** Answers with an error as RFC 9457 has it. @param more members of its own */
export const refuse = (
  reply: FastifyReply,
  status: number,
  title: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): FastifyReply =>
  reply
    .status(status)
    .type(PROBLEM_JSON)
    .send(JSON.stringify({ ...problem(status, title, detail, reply.request.id), ...more }))
