import { CliError, EXIT } from './exit-status.ts'

/** Why there is no answer: none came in time, nobody was there or they hung up, or it was none of Sidegate's. */
type Reason = 'timeout' | 'ended' | 'garbage' | 'other'

/** There is no answer that could be used. */
export class Unreachable extends CliError {
  override readonly name = 'Unreachable'
  readonly reason: Reason

  constructor(reason: Reason, message: string) {
    super(EXIT.unreachable, message)
    this.reason = reason
  }
}

const ENDED = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']

interface AttemptedCall {
  readonly method: string
  readonly adminUrl: string
  readonly timeoutMs: number
}

/** What `fetch` has thrown, in the operator's words. */
export const unreachable = (error: Error, { method, adminUrl, timeoutMs }: AttemptedCall): Unreachable => {
  const inDoubt = method === 'GET' ? '' : ' It may have been done all the same: look before you ask again.'
  if (error.name === 'TimeoutError') {
    return new Unreachable(
      'timeout',
      `${adminUrl} has not answered within ${timeoutMs} ms (SIDEGATE_TIMEOUT_MS).${inDoubt}`,
    )
  }
  const { code, message } = causeOf(error)
  const isEnded = code !== undefined && ENDED.includes(code)
  const remedy = 'Is the proxy running, and is this its admin port? (SIDEGATE_ADMIN_URL)'
  return new Unreachable(
    isEnded ? 'ended' : 'other',
    `${adminUrl} cannot be reached: ${message}. ${remedy}${code === 'ECONNREFUSED' ? '' : inDoubt}`,
  )
}

/** fetch hides what happened: in `cause`, and in the first of `errors` where a name has several addresses. */
const causeOf = (error: Error): { readonly code: string | undefined; readonly message: string } => {
  const { cause } = error
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause
  if (!(inner instanceof Error)) return { code: undefined, message: error.message }
  return { code: (inner as NodeJS.ErrnoException).code, message: inner.message }
}
