import type { AdminClient, AdminReply } from './admin-client.ts'
import type { Invocation } from './arguments.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'

/** What a command has come to: its text, or with `--json` the API's own, goes to stdout. */
export interface Outcome {
  readonly status: ExitStatus
  readonly text: string
  readonly json: string
}

export interface CommandContext {
  readonly invocation: Invocation
  readonly client: AdminClient
  /** Tells the operator, on stderr, what is no result. */
  note(text: string): void
  /** What is too long to be held goes to stdout as it comes. */
  print(text: string): void
}

export type Command = (context: CommandContext) => Promise<Outcome>

export const outcome = (reply: AdminReply, text: string, status: ExitStatus = EXIT.done): Outcome => ({
  status,
  text,
  json: reply.text,
})
