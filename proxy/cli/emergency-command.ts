import type { AdminReply } from './admin-client.ts'
import { type Command, type CommandContext, type Outcome, outcome } from './command.ts'
import { type Fields, fieldsOf, listOf, told } from './fields.ts'
import { printable } from './printable.ts'
import { table } from './table.ts'

const PATH = '/api/emergency'
/** Of the history; `--json` has all of it. */
const CHANGES_SHOWN = 10

/** With a mode, orders it; without one, tells how things are, by what signals, and what has changed. */
export const emergency: Command = async (context) => {
  const { client, invocation } = context
  const { operand: mode, reason, seconds } = invocation
  if (mode === undefined) return shown(context, await client.call('GET', PATH))
  return shown(context, await client.call('PUT', PATH, { json: { mode, reason, seconds } }))
}

const shown = ({ client }: CommandContext, reply: AdminReply): Outcome => {
  client.need(reply, 'state', (value) => typeof value === 'string')
  const { body } = reply
  const changes = listOf(body.history).map(fieldsOf)
  const parts = [
    `${printable(emergencyInShort(body))}\n${printable(why(body))}`,
    ...(Array.isArray(body.signals) ? [signalTable(body.signals)] : []),
    ...(changes.length > 0 ? [changeTable(changes.slice(0, CHANGES_SHOWN))] : []),
  ]
  return outcome(reply, parts.join('\n\n'))
}

/** In a line, for the status too. */
export const emergencyInShort = ({ state, mode, since, until, isSpent, isFleetTold }: Fields): string =>
  [
    `${told(state)} (${told(mode)}${until === undefined ? '' : ` until ${told(until)}`})`,
    ...(state === 'calm' && mode === 'auto' ? [] : [`since ${told(since)}`]),
    ...(isSpent === true ? ['not entered by itself until signals have been low'] : []),
    ...(isFleetTold === false ? ['of this instance alone: the fleet is told once Redis is back'] : []),
  ].join(', ')

const why = ({ by, why: reason }: Fields): string => `${told(by)}: ${told(reason)}`

const signalTable = (signals: readonly unknown[]): string =>
  table(
    ['signal', 'now', 'enters above', 'recovers at'],
    signals.map(fieldsOf).map((one) => [one.signal, one.value, one.enterAbove, one.recoverAt].map(told)),
  )

const changeTable = (changes: readonly Fields[]): string =>
  table(
    ['since', 'state', 'mode', 'by', { title: 'why', limit: 200 }],
    changes.map((one) => [one.since, one.state, one.mode, one.by, one.why].map(told)),
  )
