import { EX_CONFIG } from '#shared/environment.ts'

/** A defect of ours, by sysexits(3): 1, as Node has it, would be an answer. */
export const EX_SOFTWARE = 70

/** What the process ends with. A bad configuration is 78, as everywhere. */
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3, unauthorized: 4 } as const

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT]

/** What each of them means, for the help. */
export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.done, 'done; or "policy diff" found no difference'],
  [EXIT.refused, 'the server said no: problems, an unknown version, another was first; or "policy diff" found some'],
  [EXIT.usage, 'a command that is not there, or a file that cannot be read'],
  [EXIT.unreachable, 'not reachable, timed out, failed (5xx), or no admin API'],
  [EXIT.unauthorized, 'not authorised (401, 403, 429)'],
  [EX_SOFTWARE, 'a defect of this program'],
  [EX_CONFIG, 'a bad configuration'],
]

/** Ends the command; the message is for the operator, whole, on stderr. */
export class CliError extends Error {
  override readonly name: string = 'CliError'
  readonly status: ExitStatus
  /** What the server said, where it said something that a script can read. */
  readonly json: string | undefined

  constructor(status: ExitStatus, message: string, json?: string) {
    super(message)
    this.status = status
    this.json = json
  }
}

export const usageError = (message: string): CliError =>
  new CliError(EXIT.usage, `${message}\n"npm run sidegate -- help" has every command.`)
