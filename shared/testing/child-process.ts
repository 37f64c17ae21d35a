import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A line of JSON that a child logged. */
type ChildLine = Readonly<Record<string, unknown>> & { readonly msg: string }

export interface TestChild {
  readonly process: ChildProcess
  readonly lines: readonly ChildLine[]
  /** What it wrote to stderr. */
  stderr(): string
  /** Resolves with the first line, past or to come, that fits; rejects when the child exits before. */
  line(fits: (line: ChildLine) => boolean): Promise<ChildLine>
  /** Its exit code; a signal's name where one ended it. */
  exited(): Promise<number | string>
}

/** Runs a TypeScript file of ours as a process of its own, in a process group of its own. */
export const startChild = (
  file: string,
  environment: Readonly<Record<string, string>>,
  nodeFlags: readonly string[] = [],
): TestChild => {
  const child = spawn(process.execPath, [...nodeFlags, file], {
    env: { PATH: process.env.PATH ?? '', LOG_FORMAT: 'json', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const lines: ChildLine[] = []
  const watchers = new Set<() => void>()
  const notify = () => {
    for (const watcher of [...watchers]) watcher()
  }
  let stderr = ''
  let exit: number | string | undefined
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += String(chunk)
  })
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(JSON.parse(text))
    notify()
  })
  child.once('exit', (code, signal) => {
    exit = code ?? signal ?? 'unknown'
  })
  child.once('close', notify) // after the last line, unlike `exit`
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))

  return {
    process: child,
    lines,
    stderr: () => stderr,
    line: (fits) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = lines.find(fits)
          if (found !== undefined) resolve(found)
          else if (exit !== undefined) reject(new Error(`${file} ended with ${exit} before it logged that\n${stderr}`))
          else return
          watchers.delete(check)
        }
        watchers.add(check)
        check()
      }),
    async exited() {
      if (exit === undefined) await once(child, 'exit')
      return exit as number | string
    },
  }
}
