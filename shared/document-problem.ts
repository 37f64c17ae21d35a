import type { z } from 'zod'

/** What is wrong with a document that people write, where, and what to do about it. */
export interface DocumentProblem {
  /** As in `routes.listings.cache.maxAgeSeconds`, or a place in the text. */
  readonly path: string
  readonly message: string
}

/** All that a schema has found. @param what the document is, as in "a policy" */
export const documentProblems = (error: z.ZodError, what: string): DocumentProblem[] =>
  error.issues.flatMap((issue) => problemsOf(issue, what))

/** The one name that schemas pass over: in JavaScript it is no member like others. */
const HIDDEN = '__proto__'

/** Where a document has it. @param document that has a shape of which a schema approves, so that this ends */
export const hiddenKeys = (document: unknown, what: string, path = ''): DocumentProblem[] => {
  if (typeof document !== 'object' || document === null) return []
  return Object.entries(document).flatMap(([key, value]) => {
    const here = path === '' ? key : `${path}.${key}`
    return key === HIDDEN ? [notPart(here, what)] : hiddenKeys(value, what, here)
  })
}

const notPart = (path: string, what: string): DocumentProblem => ({
  path,
  message: `is not part of ${what}: remove it, or correct its name`,
})

const problemsOf = (issue: z.core.$ZodIssue, what: string): DocumentProblem[] => {
  const path = issue.path.join('.')
  const below = (key: string) => (path === '' ? key : `${path}.${key}`)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => notPart(below(key), what))
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, message }))
    case 'invalid_type':
      return [{ path, message: issue.input === undefined ? `is required: ${issue.message}` : issue.message }]
    default:
      return [{ path, message: issue.message }]
  }
}
