import { formatCidr, parseCidr } from '../state/addresses/cidr.ts'
import { blockRow, blockTable } from './block-table.ts'
import { type Command, type CommandContext, outcome } from './command.ts'
import { usageError } from './exit-status.ts'
import { type Fields, isFields, isVersion, told } from './fields.ts'
import { printable } from './printable.ts'

/** As many as one looks through; all of them is what "blocks export" is for. */
const LIMIT = 100
/** Of one call, by the server. */
const PAGE_LIMIT = 1_000

/** Those that hold, page by page, up to the limit. */
export const blocks: Command = async ({ client, invocation, note }) => {
  const { limit = LIMIT, source } = invocation
  const found: unknown[] = []
  let size: unknown
  let next: number | null = 0
  while (next !== null && found.length < limit) {
    const query = new URLSearchParams({
      ...{ cursor: String(next), limit: String(Math.min(limit - found.length, PAGE_LIMIT)) },
      ...(source !== undefined && { source }),
    })
    const reply = await client.call('GET', `/api/blocks?${query}`)
    found.push(...client.need(reply, 'blocks', Array.isArray))
    size = reply.body.size
    // One that does not move on would be asked for ever.
    const from: number = next
    next = client.need(
      reply,
      'next',
      (value): value is number | null => value === null || (isVersion(value) && value > from),
    )
  }
  if (next !== null) note('There may be more: raise --limit, or take all with "blocks export".')
  const text = found.length === 0 ? 'No block holds.' : blockTable(found)
  return { ...outcome({ body: {}, text: JSON.stringify({ blocks: found, next, size }) }, text) }
}

export const block: Command = async (context) => {
  const { client, invocation } = context
  const { seconds, isPermanent, reason, confirm } = invocation
  if (seconds === undefined && !isPermanent) {
    throw usageError('"block" needs to know for how long: --seconds N, or --permanent.')
  }
  const json = { range: rangeOf(invocation.operand), seconds, ...(isPermanent && { permanent: true }), reason, confirm }
  const reply = await client.call('POST', '/api/blocks', { json })
  const made = client.need(reply, 'block', isFields)
  tellRemarks(context, reply.body)
  const { range, until } = blockRow(made)
  const end = until === 'permanent' ? 'without an end' : `until ${until}`
  return outcome(reply, printable(`${range} is blocked ${end}.`))
}

export const unblock: Command = async (context) => {
  const { client, invocation } = context
  const range = rangeOf(invocation.operand)
  const reply = await client.call('DELETE', `/api/blocks/${encodeURIComponent(range)}`)
  const was = client.need(reply, 'unblocked', isFields)
  tellRemarks(context, reply.body)
  const { since, who, reason } = blockRow(was)
  const why = reason === '-' ? '' : ` (${reason})`
  return outcome(reply, printable(`${told(was.range)} is free; it was blocked by ${who} since ${since}${why}.`))
}

/** What is not the result, and yet to be known. */
export const tellRemarks = ({ note }: CommandContext, { warning, isFleetTold }: Fields): void => {
  if (typeof warning === 'string') note(printable(warning))
  if (isFleetTold === false) note('This instance alone knows it yet: the fleet is told once Redis is back.')
}

/** @throws CliError where it is none: what a path is made of is not left to the server */
const rangeOf = (given: string | undefined): string => {
  const cidr = parseCidr(given ?? '')
  if (cidr !== undefined) return formatCidr(cidr)
  throw usageError(`RANGE: expected one as in 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32, got "${given}".`)
}
