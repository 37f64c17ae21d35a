import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export const TEST_TOKEN = 'a-token-for-the-test'

export interface CliRun {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliSurroundings {
  readonly environment?: Readonly<Record<string, string>>
  /** What is piped into it. */
  readonly input?: string
}

/** The commands as operators run them: a process of its own, to its end. */
export const runCli = async (
  args: readonly string[],
  { environment = {}, input = '' }: CliSurroundings = {},
): Promise<CliRun> => {
  const child = spawn(process.execPath, ['proxy/cli/main.ts', ...args], {
    env: { PATH: process.env.PATH ?? '', ADMIN_TOKEN: TEST_TOKEN, ...environment },
  })
  child.stdin.on('error', () => child.stdin.destroy()) // it may end before it has read all
  child.stdin.end(input)
  const [stdout, stderr, [exit]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { exit, stdout, stderr }
}
