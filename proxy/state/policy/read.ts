import type { z } from 'zod'
import { crossProblems, type PolicyProblem } from './checks.ts'
import { type Policy, policySchema } from './schema.ts'

export type PolicyReading =
  | { readonly kind: 'good'; readonly policy: Policy }
  /** All that is wrong, at once. */
  | { readonly kind: 'bad'; readonly problems: readonly PolicyProblem[] }

const bad = (problems: readonly PolicyProblem[]): PolicyReading => ({ kind: 'bad', problems })

/** Reads a policy out of what YAML or JSON has been made into. An empty object is one: all defaults. */
export const readPolicy = (document: unknown): PolicyReading => {
  const parsed = policySchema.safeParse(document, { reportInput: true })
  if (!parsed.success) return bad(parsed.error.issues.flatMap(problemsOf))
  const problems = crossProblems(parsed.data)
  return problems.length > 0 ? bad(problems) : { kind: 'good', policy: parsed.data }
}

/** What an empty document is read as. */
export const defaultPolicy = (): Policy => policySchema.parse({})

const problemsOf = (issue: z.core.$ZodIssue): PolicyProblem[] => {
  const path = issue.path.join('.')
  const below = (key: string) => (path === '' ? key : `${path}.${key}`)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: below(key),
        message: 'is not part of a policy: remove it, or correct its name',
      }))
    case 'invalid_type':
      return [{ path, message: issue.input === undefined ? `is required: ${issue.message}` : issue.message }]
    default:
      return [{ path, message: issue.message }]
  }
}
