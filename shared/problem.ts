/** Media type of an error body (RFC 9457). */
export const PROBLEM_JSON = 'application/problem+json'

/** One field of a request that was not accepted, by JSON Pointer (RFC 6901) into the part it stands in. */
export interface FieldProblem {
  readonly in: 'body' | 'query' | 'path' | 'header'
  readonly pointer: string
  readonly detail: string
}

/** An error body (RFC 9457), `correlationId` and `errors` being our extension members. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly correlationId: string
  readonly errors?: readonly FieldProblem[]
}

/** Titles are the reason phrases of the status (RFC 9457 §4.2.1, for `about:blank`). */
export const problem = (
  status: number,
  title: string,
  detail: string,
  correlationId: string,
  errors?: readonly FieldProblem[],
): Problem => ({
  type: 'about:blank',
  title,
  status,
  detail,
  correlationId,
  ...(errors === undefined ? {} : { errors }),
})
