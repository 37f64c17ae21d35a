import type { AdminReply } from './admin-client.ts'
import { type Command, type CommandContext, type Outcome, outcome } from './command.ts'
import { type Fields, isFields } from './fields.ts'
import { readInput } from './input-file.ts'
import { shadowReport } from './shadow-report.ts'

const PATH = '/api/policy/shadow'

/** With a file, tries it out; with `--end`, ends that; else tells what it would have done. */
export const policyShadow: Command = async (context) => {
  const { client, invocation } = context
  if (invocation.isEnd) return outcome(await client.call('DELETE', PATH), 'No candidate is tried out any more.')
  if (invocation.operand === undefined) return reported(context, await client.call('GET', PATH))
  return reported(context, await client.call('PUT', PATH, { yaml: await readInput(invocation.operand) }))
}

const reported = ({ client }: CommandContext, reply: AdminReply): Outcome => {
  const report = client.need(reply, 'shadow', isReport)
  return outcome(reply, report === null ? 'No candidate is tried out.' : shadowReport(report))
}

const isReport = (value: unknown): value is Fields | null => value === null || isFields(value)
