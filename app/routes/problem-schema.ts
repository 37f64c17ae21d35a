import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { PROBLEM_JSON } from '#shared/problem.ts'

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    correlationId: z.string(),
    errors: z
      .array(z.object({ in: z.enum(['body', 'query', 'path', 'header']), pointer: z.string(), detail: z.string() }))
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })

/** The error replies of a route, for its schema. */
export const problemReplies = (...statuses: readonly number[]) =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: STATUS_CODES[status] ?? 'Error', content: { [PROBLEM_JSON]: { schema: problem } } },
    ]),
  )
