import { setTimeout as delay } from 'node:timers/promises'
import type { AdminClient, AdminReply } from './admin-client.ts'
import { type Command, type Outcome, outcome } from './command.ts'
import { counted, fieldsOf, isFields } from './fields.ts'
import { Unreachable } from './unreachable.ts'

/** Before it is asked again by who got an answer, and not the one that is waited for. */
const PAUSE_MS = 500

/** Begins a drain; with `--wait`, returns once it is drained. */
export const drain: Command = async ({ client, invocation, note }) => {
  const begun = await client.call('POST', '/drain')
  if (!invocation.isWaiting) return outcome(begun, `The drain has begun${inFlight(begun.body.inFlight)}.`)
  note(`The drain has begun${inFlight(begun.body.inFlight)}; waiting for its end.`)
  let last: AdminReply = begun
  const tell = (reply: AdminReply) => {
    last = reply
    note(`Draining${inFlight(reply.body.inFlight)}.`)
  }
  try {
    return await untilDrained(client, tell)
  } catch (error) {
    if (error instanceof Unreachable && error.reason === 'ended') {
      return outcome(
        last,
        'The connection ended after the drain had begun: that counts as drained. Its log says whether anything was cut.',
      )
    }
    throw error
  }
}

const untilDrained = async (client: AdminClient, tell: (reply: AdminReply) => void): Promise<Outcome> => {
  for (;;) {
    const answer = await askedToWait(client)
    // It may wait for long, or hang: what still answers is waited for, and what it does is told.
    const now = answer ?? (await client.call('GET', '/drain'))
    if (now.body.phase === 'drained') return outcome(now, `Drained${inFlight(now.body.inFlight)}.`)
    if (now.body.phase === 'serving') {
      return outcome(now, 'Another process serves there now: the one that was drained has ended.')
    }
    tell(now)
    if (answer !== undefined) await delay(PAUSE_MS)
  }
}

/** Undefined where it is not drained within the time of one call. */
const askedToWait = async (client: AdminClient): Promise<AdminReply | undefined> => {
  try {
    return await client.call('GET', '/drain?wait=1')
  } catch (error) {
    if (error instanceof Unreachable && error.reason === 'timeout') return undefined
    throw error
  }
}

const inFlight = (value: unknown): string => {
  const { requests, upgrades } = fieldsOf(value)
  return isFields(value) ? `, in flight: ${counted(requests, 'request')}, ${counted(upgrades, 'upgrade')}` : ''
}
