/**
 * npm run demo:attack: a policy for it is put in force, users come, attackers come beside them and go, and it is waited for
 * calm. What was changed is taken back, also where it is broken off.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ConfigurationError, exitBadConfiguration } from '#shared/environment.ts'
import { AdminClient } from '../../proxy/cli/admin-client.ts'
import { CliError } from '../../proxy/cli/exit-status.ts'
import { cliSettings } from '../../proxy/cli/settings.ts'
import { courseHead, courseRow, holds, resultOf, resultTable, type Second } from './course.ts'
import { attackerAddress, type FloodOrder } from './flood.ts'
import { type AttackOptions, HELP, OptionError, readOptions } from './options.ts'
import { attackPolicy } from './policy.ts'
import { added, type Tally } from './tally.ts'
import { Users } from './users.ts'

const EX_USAGE = 64
const FLOOD = fileURLToPath(new URL('flood.ts', import.meta.url))
const LOCAL_TOKEN_FILE = fileURLToPath(new URL('../../.data/admin-token', import.meta.url))
/** Of users alone, before the flood. */
const QUIET_SECONDS = 3
/** So long is calm waited for. */
const CALM_WITHIN_SECONDS = 90
const UNBLOCKS_AT_ONCE = 20

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const settingsOrExit = () => {
  const { ADMIN_TOKEN, ADMIN_TOKEN_FILE = existsSync(LOCAL_TOKEN_FILE) ? LOCAL_TOKEN_FILE : undefined } = process.env
  try {
    return cliSettings({ ...process.env, ADMIN_TOKEN, ADMIN_TOKEN_FILE })
  } catch (error) {
    if (error instanceof ConfigurationError) exitBadConfiguration(error)
    throw error
  }
}

const optionsOrExit = (): AttackOptions => {
  try {
    const options = readOptions(process.argv.slice(2))
    if (options !== undefined) return options
    process.stdout.write(HELP)
    process.exit(0)
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(EX_USAGE)
  }
}

/** The attackers' tallies as they come. */
const startFlood = (order: FloodOrder, tallies: Tally[]): ChildProcess => {
  const child = fork(FLOOD, { stdio: 'inherit' })
  child.on('message', (tally) => tallies.push(tally as Tally))
  child.send(order)
  return child
}

const demonstrate = async (options: AttackOptions, client: AdminClient, stop: AbortSignal): Promise<boolean> => {
  const users = new Users(options.url, options.users)
  const tallies: Tally[] = []
  const seconds: Second[] = []
  let flood: ChildProcess | undefined
  say(courseHead())
  try {
    for (let turn = -QUIET_SECONDS; !stop.aborted && !isOver(turn, seconds, options); turn++) {
      if (turn === 0) flood = startFlood(options, tallies)
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      const { state } = (await client.call('GET', '/api/emergency')).body
      const second: Second = {
        atSeconds: turn + 1,
        attackers: added(tallies.splice(0)),
        users: users.tallying.take(),
        userDurationsMs: users.takeDurations(),
        emergency: String(state),
      }
      seconds.push(second)
      say(courseRow(second))
    }
  } finally {
    if (flood?.connected === true) flood.disconnect()
    await users.close()
  }
  const result = resultOf(seconds)
  say(`\n${resultTable(result, users.solved)}`)
  return holds(result)
}

const isOver = (turn: number, seconds: readonly Second[], options: AttackOptions): boolean =>
  turn >= options.seconds + CALM_WITHIN_SECONDS || (turn > options.seconds && seconds.at(-1)?.emergency === 'calm')

/** Blocks of the attackers would be in the way of whoever tries this again. */
const unblockAttackers = async (client: AdminClient, attackers: number): Promise<void> => {
  const numbers = [...Array(attackers).keys()]
  while (numbers.length > 0) {
    const some = numbers.splice(0, UNBLOCKS_AT_ONCE)
    await Promise.all(
      some.map(async (number) => {
        try {
          await client.call('DELETE', `/api/blocks/${attackerAddress(number)}`)
        } catch (error) {
          if (!(error instanceof CliError)) throw error // not blocked: nothing to take back
        }
      }),
    )
  }
}

const options = optionsOrExit()
const client = new AdminClient(settingsOrExit())
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

try {
  const from = Number((await client.call('GET', '/api/policy')).body.version)
  const { body } = await client.call('PUT', '/api/policy?probation=none', { yaml: Buffer.from(attackPolicy), from })
  try {
    process.exitCode = (await demonstrate(options, client, stop.signal)) ? 0 : 1
  } finally {
    await client.call('POST', '/api/policy/rollback', { json: { to: from }, from: Number(body.version) })
    await unblockAttackers(client, options.attackers)
  }
} catch (error) {
  if (!(error instanceof CliError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error.status
}
