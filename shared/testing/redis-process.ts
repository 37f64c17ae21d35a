import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'

const HOST = '127.0.0.1'
const START_TIMEOUT_MS = 20_000

/** A real Redis, or sentinel, that can be killed, frozen and started again on the same port. */
export class RedisProcess {
  readonly port: number
  readonly #isSentinel: boolean
  readonly #configuration: readonly string[]
  #folder: string | undefined
  #child: ChildProcess | undefined
  #admin: Redis | undefined

  constructor(port: number, configuration: readonly string[] = [], isSentinel = false) {
    this.port = port
    this.#isSentinel = isSentinel
    this.#configuration = configuration
  }

  get url(): string {
    return `redis://${HOST}:${this.port}`
  }

  /** Starts it, empty. */
  async start(): Promise<this> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'sidegate-redis-'))
    const file = join(this.#folder, 'redis.conf')
    const lines = [`bind ${HOST}`, `port ${this.port}`, 'daemonize no', `dir ${this.#folder}`, ...this.#configuration]
    if (!this.#isSentinel) lines.push('save ""', 'appendonly no', 'repl-diskless-sync-delay 0')
    await writeFile(file, `${lines.join('\n')}\n`)
    const child = spawn('redis-server', [file, ...(this.#isSentinel ? ['--sentinel'] : [])], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#child = child
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    const said: string[] = []
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error(`redis did not start:\n${said.join('\n')}`)), START_TIMEOUT_MS)
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line)
      if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve()
    })
    child.once('exit', () => reject(new Error(`redis ended:\n${said.join('\n')}`)))
    await promise.finally(() => clearTimeout(timer))
    return this
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** From now on it answers nothing, and its connections stay. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Gives it commands, on a connection that is kept: one that may have been the last to be let in. */
  async command(...commands: readonly (readonly [string, ...(string | number)[]])[]): Promise<unknown[]> {
    const answers: unknown[] = []
    for (const command of commands)
      answers.push(await this.#commandOnce(command).catch(() => this.#commandOnce(command)))
    return answers
  }

  /** Fails where the connection was one to a server that has been ended, or ends its clients, as sentinels make it do. */
  async #commandOnce([name, ...rest]: readonly [string, ...(string | number)[]]): Promise<unknown> {
    if (this.#admin?.status !== 'ready') {
      this.#admin?.disconnect()
      this.#admin = new Redis(this.port, HOST, { lazyConnect: true, protocol: 2, retryStrategy: null })
      this.#admin.on('error', () => undefined) // told by the command that fails
      await this.#admin.connect()
    }
    return this.#admin.call(name, ...rest)
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    this.#admin?.disconnect()
    this.thaw()
    await this.kill()
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }
}
