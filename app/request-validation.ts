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

/** A client that got more than this wrong is helped by no longer list, and could make replies of many times its request. */
const REPORTED_PROBLEMS = 20

/** Validates each part of a request by its zod schema, and names the fields that are wrong at once. */
export const validateByZod: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const part = PARTS[httpPart ?? ''] ?? 'body'
  return (data) => {
    const parsed = schema.safeParse(data)
    if (parsed.success) return { value: parsed.data }
    const errors = parsed.error.issues.flatMap((issue) => fieldProblems(issue, part))
    const seeErrors =
      errors.length > REPORTED_PROBLEMS
        ? `see errors, the first ${REPORTED_PROBLEMS} of ${errors.length}`
        : 'see errors'
    return {
      error: new ProblemError(400, `The request is not valid: ${seeErrors}.`, {
        errors: errors.slice(0, REPORTED_PROBLEMS),
      }),
    }
  }
}

const fieldProblems = (issue: z.core.$ZodIssue, part: FieldProblem['in']): FieldProblem[] =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => ({ in: part, pointer: pointer([...issue.path, key]), detail: 'is not known here' }))
    : [{ in: part, pointer: pointer(issue.path), detail: issue.message }]

/** JSON Pointer, RFC 6901 §3–4. */
const pointer = (path: readonly PropertyKey[]): string =>
  path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
