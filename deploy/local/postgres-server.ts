import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Account } from './run-command.ts'
import { SupervisedProcess } from './supervised-process.ts'

const START_TIMEOUT_MS = 20_000
/** Fast shutdown, then the immediate one, then SIGKILL. */
const STOP_STEP_MS = 4_000
/** After a kill, the backends may hold the shared memory for a moment longer. */
const HELD_MEMORY = /pre-existing shared memory block/
const HELD_MEMORY_ATTEMPTS = 40
const HELD_MEMORY_PAUSE_MS = 100
/** How much of what it last said is told when it does not start. */
const SAID_LINES = 8

const READY = /database system is ready to accept (read-only )?connections/

export interface PostgresServerSettings {
  /** For log lines, e.g. `primary`. */
  readonly name: string
  readonly binDir: string
  readonly serverDir: string
  readonly host: string
  readonly port: number
  /** With its password. */
  readonly url: string
  readonly account: Account | undefined
  /** Server parameters, given anew at each start so that kept data follow a newer Sidegate. */
  readonly parameters: Readonly<Record<string, string | number>>
  /** Each line that the server writes. */
  readonly onLine: (line: string) => void
}

/** One PostgreSQL server, which can be stopped, killed and started again. */
export class PostgresServer {
  readonly #settings: PostgresServerSettings
  #process: SupervisedProcess | undefined
  #onUnexpectedEnd: ((outcome: string) => void) | undefined

  constructor(settings: PostgresServerSettings) {
    this.#settings = settings
  }

  get url(): string {
    return this.#settings.url
  }

  get port(): number {
    return this.#settings.port
  }

  /** Of the postmaster; undefined while stopped. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Calls back when the server ends without {@link stop} or {@link kill}. */
  onUnexpectedEnd(listener: (outcome: string) => void): void {
    this.#onUnexpectedEnd = listener
  }

  /** Resolves once the server accepts connections, and has said what matches `alsoSaid` where that is given. */
  async start(alsoSaid?: RegExp, timeoutMs: number = START_TIMEOUT_MS): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const said: string[] = []
      try {
        await this.#startOnce(said, timeoutMs, alsoSaid)
        return
      } catch (error) {
        if (attempt >= HELD_MEMORY_ATTEMPTS || !said.some((line) => HELD_MEMORY.test(line))) throw error
        await delay(HELD_MEMORY_PAUSE_MS)
      }
    }
  }

  /** Sessions are ended, what is committed is written. */
  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  /** A crash: SIGKILL to the postmaster, whose backends then end by themselves. */
  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  async #startOnce(said: string[], timeoutMs: number, alsoSaid?: RegExp): Promise<void> {
    const { name, port } = this.#settings
    if (this.pid !== undefined) throw new Error(`PostgreSQL ${name} on port ${port} is already running`)
    const process_ = this.#spawn(said)
    this.#process = process_
    try {
      const expected = alsoSaid === undefined ? [READY] : [READY, alsoSaid]
      await Promise.all(expected.map((pattern) => process_.line(pattern, timeoutMs)))
    } catch (error) {
      await process_.stop()
      throw new Error(`PostgreSQL ${name} on port ${port} did not start:\n${said.join('\n')}`, {
        cause: error,
      })
    }
    process_.onUnexpectedEnd((outcome) => this.#onUnexpectedEnd?.(outcome))
  }

  #spawn(said: string[]): SupervisedProcess {
    const { name, binDir, serverDir, host, port, account, onLine } = this.#settings
    const parameters = { listen_addresses: host, unix_socket_directories: '', ...this.#settings.parameters }
    return new SupervisedProcess({
      name: `PostgreSQL ${name}`,
      command: join(binDir, 'postgres'),
      args: [
        ...['-D', serverDir, '-p', String(port)],
        ...Object.entries(parameters).flatMap(([parameter, value]) => ['-c', `${parameter}=${value}`]),
      ],
      environment: { PATH: process.env.PATH, LC_ALL: 'C' },
      cwd: '/',
      account,
      stopSignals: ['SIGINT', 'SIGQUIT'],
      stopStepMs: STOP_STEP_MS,
      leashSignal: 'INT',
      onLine: (line) => {
        said.push(line)
        if (said.length > SAID_LINES) said.shift()
        onLine(line)
      },
    })
  }
}
