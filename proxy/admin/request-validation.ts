import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { documentProblems } from '#shared/document-problem.ts'

/** Checks the part of a request that a route has a zod schema for; all that is wrong is told at once. */
export const validateByZod: FastifySchemaCompiler<z.ZodType> =
  ({ schema, httpPart }) =>
  (data) => {
    const parsed = schema.safeParse(data ?? undefined, { reportInput: true })
    if (parsed.success) return { value: parsed.data }
    const problems = documentProblems(parsed.error, `this ${httpPart === 'querystring' ? 'query' : httpPart}`)
    const told = problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')
    return { error: Object.assign(new Error(told), { statusCode: 400 }) }
  }
