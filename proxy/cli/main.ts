/** The operators' commands: arguments → settings → one or a few calls of the admin API → words, and an exit status. */
import { orExit } from '#shared/environment.ts'
import { AdminClient } from './admin-client.ts'
import { type Invocation, readArguments } from './arguments.ts'
import { block, blocks, unblock } from './block-commands.ts'
import { blocksExport, blocksImport } from './block-lines-commands.ts'
import { circuits, circuitsAuto, circuitsClose, circuitsOpen, circuitsReset } from './circuit-commands.ts'
import type { Command, Outcome } from './command.ts'
import type { CommandName } from './commands.ts'
import { drain } from './drain-command.ts'
import { emergency } from './emergency-command.ts'
import { CliError, EX_SOFTWARE, EXIT } from './exit-status.ts'
import { explain } from './explain-command.ts'
import { helpText } from './help.ts'
import {
  policyApply,
  policyDiff,
  policyHistory,
  policyRollback,
  policyShow,
  policyValidate,
} from './policy-commands.ts'
import { printableJson } from './printable.ts'
import { purge } from './purge-command.ts'
import { cliSettings } from './settings.ts'
import { policyShadow } from './shadow-command.ts'
import { slo } from './slo-command.ts'
import { status } from './status-command.ts'
import { mintToken } from './token-command.ts'

/** Those that ask a server. */
const COMMANDS: Readonly<Record<Exclude<CommandName, 'help' | 'token'>, Command>> = {
  status,
  'policy show': policyShow,
  'policy validate': policyValidate,
  'policy diff': policyDiff,
  'policy apply': policyApply,
  'policy history': policyHistory,
  'policy rollback': policyRollback,
  'policy shadow': policyShadow,
  emergency,
  slo,
  circuits,
  'circuits open': circuitsOpen,
  'circuits close': circuitsClose,
  'circuits auto': circuitsAuto,
  'circuits reset': circuitsReset,
  blocks,
  'blocks export': blocksExport,
  'blocks import': blocksImport,
  block,
  unblock,
  purge,
  explain,
  drain,
}

const note = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

const print = (text: string): void => {
  process.stdout.write(text)
}

const withLineEnd = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)

const run = async (invocation: Invocation): Promise<Outcome> => {
  switch (invocation.name) {
    case 'help':
      return { status: EXIT.done, text: helpText(), json: '' }
    case 'token':
      return mintToken(invocation)
    default: {
      const client = new AdminClient(orExit(() => cliSettings(process.env)))
      return COMMANDS[invocation.name]({ invocation, client, note, print })
    }
  }
}

// Whoever reads only the first lines, as `head` does, has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

let isJson = false
try {
  const invocation = readArguments(process.argv.slice(2))
  isJson = invocation.isJson && invocation.name !== 'help'
  const { status, text, json } = await run(invocation)
  process.exitCode = status
  print(withLineEnd(isJson ? printableJson(json) : text))
} catch (error) {
  if (error instanceof CliError) {
    process.exitCode = error.status
    if (isJson && error.json !== undefined) print(withLineEnd(printableJson(error.json)))
    note(error.message)
  } else {
    process.exitCode = EX_SOFTWARE
    note(error instanceof Error ? `${error.stack}` : String(error))
  }
}
