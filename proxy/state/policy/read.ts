import { type DocumentProblem, documentProblems } from '#shared/document-problem.ts'
import { crossProblems } from './checks.ts'
import { type Policy, policySchema } from './schema.ts'

export type PolicyReading =
  | { readonly kind: 'good'; readonly policy: Policy }
  /** All that is wrong, at once. */
  | { readonly kind: 'bad'; readonly problems: readonly DocumentProblem[] }

const bad = (problems: readonly DocumentProblem[]): PolicyReading => ({ kind: 'bad', problems })

/** Reads a policy out of what YAML or JSON has been made into. An empty object is one: all defaults. */
export const readPolicy = (document: unknown): PolicyReading => {
  const parsed = policySchema.safeParse(document, { reportInput: true })
  if (!parsed.success) return bad(documentProblems(parsed.error, 'a policy'))
  const problems = crossProblems(parsed.data)
  return problems.length > 0 ? bad(problems) : { kind: 'good', policy: parsed.data }
}

/** What an empty document is read as. */
export const defaultPolicy = (): Policy => policySchema.parse({})
