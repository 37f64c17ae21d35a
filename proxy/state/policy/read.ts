import { type DocumentProblem, documentProblems, hiddenKeys } from '#shared/document-problem.ts'
import { crossProblems } from './checks.ts'
import { type Policy, policySchema } from './schema.ts'

export type PolicyReading =
  | { readonly kind: 'good'; readonly policy: Policy }
  /** All that is wrong, at once. */
  | { readonly kind: 'bad'; readonly problems: readonly DocumentProblem[] }

/** Enough for anyone to begin with; a reply stays short whatever it answers. */
const PROBLEMS_LIMIT = 500

const bad = (problems: readonly DocumentProblem[]): PolicyReading => ({
  kind: 'bad',
  problems:
    problems.length <= PROBLEMS_LIMIT
      ? problems
      : [
          ...problems.slice(0, PROBLEMS_LIMIT),
          { path: '', message: `and ${problems.length - PROBLEMS_LIMIT} more problems` },
        ],
})

/** Reads a policy out of what YAML or JSON has been made into. An empty object is one: all defaults. */
export const readPolicy = (document: unknown): PolicyReading => {
  const excess = tooMany(document)
  if (excess.length > 0) return bad(excess)
  const parsed = policySchema.safeParse(document, { reportInput: true })
  if (!parsed.success) return bad(documentProblems(parsed.error, 'a policy'))
  const problems = [...hiddenKeys(document, 'a policy'), ...crossProblems(parsed.data)]
  return problems.length > 0 ? bad(problems) : { kind: 'good', policy: parsed.data }
}

/** More than these would hold requests up while they are read. */
const ENTRIES_LIMIT = { routes: 1_000, limits: 1_000, operations: 100, objectives: 100 } as const

const tooMany = (document: unknown): DocumentProblem[] => {
  const { routes, limits, operations, slo } = membersOf(document)
  const parts = { routes, limits, operations, objectives: membersOf(slo).objectives }
  return (Object.keys(ENTRIES_LIMIT) as (keyof typeof ENTRIES_LIMIT)[]).flatMap((part) => {
    const count = Object.keys(membersOf(parts[part])).length
    const most = ENTRIES_LIMIT[part]
    const path = part === 'objectives' ? 'slo.objectives' : part
    return count <= most ? [] : [{ path, message: `has ${count} entries: at most ${most} can be read` }]
  })
}

const membersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/** What an empty document is read as. */
export const defaultPolicy = (): Policy => policySchema.parse({})
