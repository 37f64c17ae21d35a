import { formatCidr, parseCidr } from '../state/addresses/cidr.ts'
import { type BlockLine, blockLine, readBlockLines } from '../state/blocks/block-lines.ts'
import type { AdminReply } from './admin-client.ts'
import { tellRemarks } from './block-commands.ts'
import { type Command, outcome } from './command.ts'
import { CliError, EXIT, usageError } from './exit-status.ts'
import { counted, isVersion } from './fields.ts'
import { readInput } from './input-file.ts'
import { printableLines } from './printable.ts'
import { problemTable } from './refusal.ts'

const PATH = '/api/blocks/lines'
/** Of one call; the server takes no more. */
const PART = { lines: 100_000, bytes: 8 * 1_048_576 } as const

/** As they come: there may be a million. */
export const blocksExport: Command = async ({ client, invocation, print }) => {
  if (invocation.isJson) throw usageError('"blocks export" prints plain lines; "blocks --json" prints JSON.')
  const { source } = invocation
  await client.stream(source === undefined ? PATH : `${PATH}?source=${source}`, (text) => print(printableLines(text)))
  return { status: EXIT.done, text: '', json: '' }
}

/** All lines are looked at before the first is sent. */
export const blocksImport: Command = async (context) => {
  const { client, invocation, note } = context
  const { operand = '-', seconds, isPermanent, reason, confirm } = invocation
  const file = await readInput(operand, 'there is nothing to block.')
  const found = readBlockLines(file.toString('utf8'), {
    isEndGiven: seconds !== undefined || isPermanent,
    confirmed: confirm === undefined ? [] : confirm.split(',').map(canonical),
    linesLimit: Number.POSITIVE_INFINITY,
  })
  if (found.kind === 'bad') {
    const { problems } = found
    throw new CliError(
      EXIT.refused,
      `The list has problems; nothing is sent.\n${problemTable(problems)}`,
      JSON.stringify({ problems }),
    )
  }
  const query = new URLSearchParams({
    ...(seconds !== undefined && { seconds: String(seconds) }),
    ...(isPermanent && { permanent: 'true' }),
    ...(reason !== undefined && { reason }),
    ...(confirm !== undefined && { confirm }),
  }).toString()
  const path = query === '' ? PATH : `${PATH}?${query}`
  const sum = { blocked: 0, passed: 0, withoutEffect: 0, isFleetTold: true }
  const total = found.lines.length
  let sent = 0
  for (const part of partsOf(found.lines)) {
    const reply: AdminReply = await client.call('POST', path, { lines: part.text }).catch((error: unknown) => {
      if (sent > 0) note(`Of ${total} lines, the first ${sent} have been taken, the others not for certain.`)
      throw error
    })
    sum.blocked += client.need(reply, 'blocked', isVersion)
    sum.passed += client.need(reply, 'passed', isVersion)
    sum.withoutEffect += client.need(reply, 'withoutEffect', isVersion)
    sum.isFleetTold &&= reply.body.isFleetTold === true
    sent += part.lines
    if (total > PART.lines) note(`${sent} of ${total} lines have been taken.`)
  }
  tellRemarks(context, sum)
  const passed = sum.passed === 0 ? '' : ` ${counted(sum.passed, 'line')} had come to an end before.`
  const inVain =
    sum.withoutEffect === 0
      ? ''
      : ` ${counted(sum.withoutEffect, 'line')} of them without effect: the policy never blocks such an address.`
  const text = `${counted(sum.blocked, 'line')} ${sum.blocked === 1 ? 'is' : 'are'} in force.${passed}${inVain}`
  return outcome({ body: {}, text: JSON.stringify(sum) }, text)
}

interface Part {
  readonly text: string
  readonly lines: number
}

/** As many lines in each as one call may have. */
function* partsOf(lines: readonly BlockLine[]): Generator<Part> {
  let part: string[] = []
  let bytes = 0
  for (const line of lines) {
    const text = blockLine(line)
    const more = Buffer.byteLength(text)
    if (part.length === PART.lines || bytes + more > PART.bytes) {
      yield { text: part.join(''), lines: part.length }
      part = []
      bytes = 0
    }
    part.push(text)
    bytes += more
  }
  if (part.length > 0) yield { text: part.join(''), lines: part.length }
}

/** What is none is left for the server to tell of. */
const canonical = (range: string): string => {
  const cidr = parseCidr(range)
  return cidr === undefined ? range : formatCidr(cidr)
}
