import type { FieldProblem } from '#shared/problem.ts'

export interface ProblemExtras {
  readonly errors?: readonly FieldProblem[]
  readonly headers?: Readonly<Record<string, string>>
}

/** An error whose words are meant for the client. What only the log should hold goes into `cause`. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly status: number
  readonly extras: ProblemExtras

  constructor(status: number, publicDetail: string, extras: ProblemExtras = {}, options?: ErrorOptions) {
    super(publicDetail, options)
    this.status = status
    this.extras = extras
  }
}
