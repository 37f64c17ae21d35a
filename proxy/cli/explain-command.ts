import { parseCidr } from '../state/addresses/cidr.ts'
import { blockRow } from './block-table.ts'
import { type Command, outcome } from './command.ts'
import { usageError } from './exit-status.ts'
import { type Fields, fieldsOf, isFields, listOf, told } from './fields.ts'
import { labelledLines } from './labelled-lines.ts'
import { printable } from './printable.ts'
import { table } from './table.ts'

export const explain: Command = async ({ client, invocation }) => {
  const { operand = '' } = invocation
  if (operand.includes('/') || parseCidr(operand) === undefined) {
    throw usageError(`ADDRESS: expected one as in 192.0.2.7 or 2001:db8::7, got "${operand}".`)
  }
  const reply = await client.call('GET', `/api/explain?address=${encodeURIComponent(operand)}`)
  client.need(reply, 'verdict', (value) => typeof value === 'string')
  return outcome(reply, explanation(reply.body))
}

/** The verdict first, then why, then all that is known. */
const explanation = (body: Fields): string => {
  const blocks = listOf(body.blocks)
  const { recent } = fieldsOf(body.violations)
  return [
    [`${told(body.address)} is ${told(body.verdict)}.`, told(body.because)].map(printable).join('\n'),
    labelledLines([
      ['client', told(body.client)],
      ['policy', `version ${told(body.policyVersion)}`],
      ...(body.emergency === null ? [] : [['state', told(body.emergency)]]),
      ...violationsLine(body.violations),
    ]),
    ...(blocks.length === 0 ? [] : [`Blocks that cover it:\n${coveringTable(blocks)}`]),
    ...blocks.flatMap((block) => {
      const { range, violations } = fieldsOf(block)
      return part(`What led to the block of ${told(range)}:`, violations)
    }),
    ...part('What this instance has seen of the client lately:', recent),
  ].join('\n\n')
}

const violationsLine = (violations: unknown): string[][] => {
  if (!isFields(violations)) return []
  const { count, threshold, windowSeconds } = violations
  const then = threshold === null ? 'no number of them leads to a block' : `at ${told(threshold)} it is blocked`
  return [['violations', `${told(count)} within ${told(windowSeconds)} s; ${then}`]]
}

const coveringTable = (blocks: readonly unknown[]): string =>
  table(
    ['range', 'holds', 'source', 'by', 'since', 'until', 'count', { title: 'reason', limit: 100 }],
    blocks.map((block) => {
      const { range, source, who, since, until, count, reason } = blockRow(block)
      return [range, fieldsOf(block).isHolding === true ? 'yes' : 'no', source, who, since, until, count, reason]
    }),
  )

const part = (title: string, violations: unknown): string[] => {
  const rows = listOf(violations)
    .map(fieldsOf)
    .map(({ at, kind, what, route, method, path }) => [
      ...[told(at), told(kind), told(what), told(route)],
      `${told(method)} ${told(path)}`,
    ])
  return rows.length === 0
    ? []
    : [`${printable(title)}\n${table(['when', 'kind', 'what', 'route', { title: 'request', limit: 100 }], rows)}`]
}
