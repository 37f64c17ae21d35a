import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import type { FieldProblem } from '#shared/problem.ts'
import { ProblemError } from './problem-error.ts'

/** Fastify's names for the parts of a request, and ours. */
const PARTS: Readonly<Record<string, FieldProblem['in']>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'header',
}

/** Validates each part of a request by its zod schema, and names every field that is wrong at once. */
export const validateByZod: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const part = PARTS[httpPart ?? ''] ?? 'body'
  return (data) => {
    const parsed = schema.safeParse(data)
    if (parsed.success) return { value: parsed.data }
    const errors = parsed.error.issues.flatMap((issue) => fieldProblems(issue, part))
    return { error: new ProblemError(400, 'The request is not valid: see errors.', { errors }) }
  }
}

const fieldProblems = (issue: z.core.$ZodIssue, part: FieldProblem['in']): FieldProblem[] =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => ({ in: part, pointer: pointer([...issue.path, key]), detail: 'is not known here' }))
    : [{ in: part, pointer: pointer(issue.path), detail: issue.message }]

/** JSON Pointer, RFC 6901 §3–4. */
const pointer = (path: readonly PropertyKey[]): string =>
  path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
