import type { AdminReply } from './admin-client.ts'
import { type Command, type CommandContext, type Outcome, outcome } from './command.ts'
import { counted, type Fields, fieldsOf, percent, told } from './fields.ts'
import { printable } from './printable.ts'
import { table } from './table.ts'

const PATH = '/api/circuits'

export const circuits: Command = async ({ client }) => {
  const reply = await client.call('GET', PATH)
  const found = client.need(reply, 'circuits', Array.isArray)
  return outcome(reply, found.length === 0 ? 'No operation is watched.' : circuitTable(found))
}

const circuitTable = (found: readonly unknown[]): string =>
  table(
    ['circuit', 'instance', 'state', 'mode', 'since', 'cause', 'to the app', 'in a row', 'failures', 'refused'],
    found
      .map(fieldsOf)
      .map((one) => [
        ...[one.name, one.instance, one.state, modeOf(one), one.since, one.cause].map(told),
        percent(one.admittedShare),
        told(one.failuresInARow),
        `${told(one.failures)} of ${told(one.requests)}`,
        told(one.refused),
      ]),
  )

const modeOf = ({ mode, until }: Fields): string => `${told(mode)}${until === undefined ? '' : ` until ${told(until)}`}`

/** In a line, those that do not let everything through, or are not left to themselves; undefined for none. */
export const circuitsInShort = (found: readonly unknown[]): string | undefined => {
  const notable = found.map(fieldsOf).filter(({ state, mode }) => state !== 'closed' || mode !== 'auto')
  const words = notable.map(({ name, state, mode, since, until }) => {
    const order = `by order${until === undefined ? '' : ` until ${told(until)}`}`
    const how = mode === 'auto' ? told(state) : `${told(state)} ${order}`
    return `${told(name)} is ${how} since ${told(since)}`
  })
  return words.length === 0 ? undefined : words.join('; ')
}

export const circuitsOpen: Command = (context) => forced(context, 'open')
export const circuitsClose: Command = (context) => forced(context, 'closed')
export const circuitsAuto: Command = (context) => ordered(context, 'auto', 'is left to what becomes of requests')

export const circuitsReset: Command = async (context) => {
  const reply = await context.client.call('POST', `${pathOf(context)}/reset`)
  return said(context, reply, 'is closed, with nothing counted')
}

const forced = (context: CommandContext, mode: string): Promise<Outcome> => {
  const { seconds } = context.invocation
  const forHowLong = seconds === undefined ? 'until' : `for ${counted(seconds, 'second')}, unless`
  return ordered(context, mode, `is ${mode} ${forHowLong} it is told otherwise`)
}

const ordered = async (context: CommandContext, mode: string, what: string): Promise<Outcome> => {
  const { client, invocation } = context
  const { reason, seconds } = invocation
  return said(context, await client.call('PUT', pathOf(context), { json: { mode, reason, seconds } }), what)
}

const pathOf = ({ invocation }: CommandContext): string => `${PATH}/${encodeURIComponent(invocation.operand ?? '')}`

const said = ({ client }: CommandContext, reply: AdminReply, what: string): Outcome => {
  const processes = client.need(reply, 'processes', (value): value is number => typeof value === 'number')
  const where = processes === 1 ? '' : ` (${counted(processes, 'worker')})`
  return outcome(reply, printable(`The circuit of ${told(reply.body.name)} ${what}${where}.`))
}
