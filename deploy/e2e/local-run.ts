import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, vi } from 'vitest'
import { type Account, runCommand } from '../local/run-command.ts'
import { type ProcessEntry, processesOf } from './process-list.ts'

const START_SCRIPT = fileURLToPath(new URL('../local/start.ts', import.meta.url))

/** Far more than a run takes, for a machine that has other work. */
const WAIT = { timeout: 60_000, interval: 50 }

/** Every port a free one, so that runs stand beside one another. */
const FREE_PORTS = {
  PORT: '0',
  ADMIN_PORT: '0',
  APP_PORT: '0',
  POSTGRES_PRIMARY_PORT: '0',
  POSTGRES_REPLICA_PORT: '0',
  REDIS_PORT: '0',
}

export interface LocalRunOptions {
  readonly dataDir: string
  readonly args?: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
  readonly account?: Account
}

export type LogLine = Readonly<Record<string, unknown>>

export interface HttpReply {
  readonly status: number
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** `npm start` as a user has it: a real process, in a process group of its own as a terminal would give it. */
export class LocalRun {
  readonly #child: ChildProcess
  readonly #dataDir: string
  readonly #marker: string = randomUUID()
  readonly log: LogLine[] = []
  readonly errorLines: string[] = []
  /** The exit status, once all that it wrote is here. */
  readonly ended: Promise<number | null>

  constructor({ dataDir, args = [], environment = {}, account }: LocalRunOptions) {
    this.#dataDir = dataDir
    const child = spawn(process.execPath, [START_SCRIPT, ...args], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        ...FREE_PORTS,
        DRAIN_DELAY_MS: '0',
        SIDEGATE_DATA_DIR: dataDir,
        SIDEGATE_TEST_MARKER: this.#marker,
        ...environment,
      },
      ...(account !== undefined && { uid: account.uid, gid: account.gid }),
    })
    this.#child = child
    const output = createInterface({ input: child.stdout }).on('line', (line) => this.log.push(JSON.parse(line)))
    const errors = createInterface({ input: child.stderr }).on('line', (line) => this.errorLines.push(line))
    this.ended = Promise.all([once(child, 'close'), once(output, 'close'), once(errors, 'close')]).then(
      ([[status]]) => status,
    )
    onTestFinished(async () => {
      if (child.exitCode === null && child.signalCode === null) this.signal('SIGKILL')
      await this.ended
    })
  }

  /** As the terminal does at Ctrl-C: to the whole process group. */
  signal(signal: NodeJS.Signals): void {
    process.kill(-(this.#child.pid as number), signal)
  }

  async ready(): Promise<void> {
    await this.#until(() => this.errorLines.includes('Sidegate is ready.'), 'ready')
  }

  /** Resolves with the first log line, past or to come, that has these fields. */
  async logged(fields: LogLine): Promise<LogLine> {
    const find = () =>
      this.log.find((line) =>
        Object.entries(fields).every(([name, value]) =>
          value instanceof RegExp ? value.test(String(line[name])) : line[name] === value,
        ),
      )
    await this.#until(() => find() !== undefined, `logged ${Object.entries(fields).join(' ')}`)
    return find() as LogLine
  }

  /** The curl lines that were printed. */
  get examples(): string[] {
    return this.errorLines.map((line) => line.trim()).filter((line) => line.startsWith('curl '))
  }

  /** The base URL that was printed for `what`: `proxy`, `admin`, `app`. */
  url(what: 'proxy' | 'admin' | 'app'): string {
    const line = this.errorLines.find((text) => text.includes(`${what} `) && text.includes('http://'))
    const url = /http:\/\/\S+/.exec(line ?? '')?.[0]
    if (url === undefined) throw new Error(`no URL was printed for ${what}`)
    return new URL(url).origin
  }

  /** What runs of it: the launcher, its children, theirs. */
  processes(): Promise<ProcessEntry[]> {
    return processesOf(this.#marker, this.#dataDir)
  }

  async expectNoProcessLeft(): Promise<void> {
    await vi.waitFor(async () => expect(await this.processes()).toEqual([]), WAIT)
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    let hasEnded = false
    void this.ended.then(() => {
      hasEnded = true
    })
    await vi.waitUntil(() => condition() || hasEnded, WAIT)
    if (condition()) return
    const told = [...this.log.slice(-15).map((line) => JSON.stringify(line)), ...this.errorLines.slice(-15)]
    throw new Error(`the run has ended, and has not ${what}:\n${told.join('\n')}`)
  }
}

/** Runs a printed line as a user would, in a shell. */
export const inShell = async (line: string): Promise<HttpReply> => parseReply(await runCommand('/bin/sh', ['-c', line]))

const parseReply = (output: string): HttpReply => {
  const headEnd = output.indexOf('\r\n\r\n')
  const [statusLine = '', ...fields] = output.slice(0, headEnd).split('\r\n')
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Map(
      fields.map((field) => {
        const colon = field.indexOf(':')
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
      }),
    ),
    body: output.slice(headEnd + 4),
  }
}
