import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

/** An operating system user that a program is run as, in place of our own. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

export interface CommandOptions {
  /** Undefined runs the command as we run. */
  readonly account?: Account | undefined
  readonly input?: string
  readonly cwd?: string
  readonly environment?: NodeJS.ProcessEnv
}

/** A command that could not be started or ended with another status than 0; the message holds what it wrote. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  /** Undefined where it could not be started, or was ended by a signal. */
  readonly status: number | undefined

  constructor(command: string, outcome: string, output: string, status?: number) {
    const tail = output.trim().split('\n').slice(-12).join('\n')
    super(`${command} ${outcome}${tail === '' ? '' : `:\n${tail}`}`)
    this.status = status
  }
}

/**
 * Runs a program to its end, and gives what it wrote on stdout.
 *
 * @throws CommandError
 */
export const runCommand = async (
  command: string,
  args: readonly string[],
  { account, input, cwd, environment }: CommandOptions = {},
): Promise<string> => {
  const child = spawn(command, args, {
    stdio: 'pipe',
    ...(cwd !== undefined && { cwd }),
    ...(environment !== undefined && { env: environment }),
    ...(account !== undefined && { uid: account.uid, gid: account.gid }),
  })
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', (error) => reject(new CommandError(command, 'could not be started', error.message)))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  // A program that ends without reading its input is judged by its status, not by the broken pipe.
  child.stdin.on('error', () => child.stdin.destroy())
  child.stdin.end(input ?? '')
  const [{ code, signal }, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  if (code === 0) return stdout
  const outcome = signal === null ? `ended with status ${code}` : `was ended by ${signal}`
  throw new CommandError(command, outcome, `${stdout}\n${stderr}`, code ?? undefined)
}

/** Whether a program ends well; for questions that a program answers by its status. */
export const commandSucceeds = async (command: string, args: readonly string[], options?: CommandOptions) => {
  try {
    await runCommand(command, args, options)
    return true
  } catch (error) {
    if (error instanceof CommandError) return false
    throw error
  }
}
