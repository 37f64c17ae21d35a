import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { leash } from './leash.ts'
import type { Account } from './run-command.ts'

/** From the end of a process until its pipes are taken for held by another. */
const LAST_LINES_MS = 300

export interface ProcessSettings {
  /** For messages, e.g. `app`. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Undefined runs it as we run. */
  readonly account?: Account | undefined
  /** All that it reads on its standard input. */
  readonly input?: string
  /** Asked to stop by these in turn, each after the one before has had its time. */
  readonly stopSignals: readonly [NodeJS.Signals, ...NodeJS.Signals[]]
  readonly stopStepMs: number
  /** What it gets when we end without having stopped it. */
  readonly leashSignal: 'INT' | 'KILL'
  readonly onLine: (line: string, stream: 'stdout' | 'stderr') => void
}

/**
 * A child process: `running → stopping → ended`, or `running → ended` when it ends by itself. It stands in a process
 * group of its own, so that Ctrl-C reaches us alone and the order of stopping is ours; a leash sees to it that it does
 * not outlive us.
 */
export class SupervisedProcess {
  readonly #settings: ProcessSettings
  readonly #child: ChildProcess
  readonly #lineListeners = new Set<(line: string) => void>()
  /** Resolves when it has ended, with how: `status 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>
  #isStopping = false
  #hasEnded = false

  constructor(settings: ProcessSettings) {
    this.#settings = settings
    const { command, args, environment, cwd, account } = settings
    const child = spawn(command, args, {
      detached: true,
      stdio: 'pipe',
      env: environment,
      ...(cwd !== undefined && { cwd }),
      ...(account !== undefined && { uid: account.uid, gid: account.gid }),
    })
    this.#child = child
    // A child that ends without reading its input says so by its end.
    child.stdin.on('error', () => child.stdin.destroy())
    child.stdin.end(settings.input ?? '')
    createInterface({ input: child.stdout }).on('line', (line) => this.#say(line, 'stdout'))
    createInterface({ input: child.stderr }).on('line', (line) => this.#say(line, 'stderr'))
    const release = child.pid === undefined ? undefined : leash(child.pid, settings.leashSignal)
    this.ended = new Promise((resolve) => {
      const end = (outcome: string) => {
        this.#hasEnded = true
        release?.()
        // Its last lines may be on their way; a grandchild that holds the pipes is not waited for.
        child.once('close', () => resolve(outcome))
        setTimeout(() => resolve(outcome), LAST_LINES_MS).unref()
      }
      child.once('error', (error) => end(error.message))
      child.once('exit', (code, signal) => end(signal === null ? `status ${code}` : `signal ${signal}`))
    })
  }

  get pid(): number | undefined {
    return this.#hasEnded ? undefined : this.#child.pid
  }

  /** Calls back when it ends without {@link stop} or {@link kill}. */
  onUnexpectedEnd(listener: (outcome: string) => void): void {
    void this.ended.then((outcome) => {
      if (!this.#isStopping) listener(outcome)
    })
  }

  /** Resolves at the first line from now on that matches; rejects when the process ends, or the time has passed. */
  async line(pattern: RegExp, timeoutMs: number): Promise<void> {
    const seen = Promise.withResolvers<void>()
    const listener = (line: string) => {
      if (pattern.test(line)) seen.resolve()
    }
    this.#lineListeners.add(listener)
    const { name } = this.#settings
    const timer = setTimeout(
      () => seen.reject(new Error(`${name} did not say ${pattern} in ${timeoutMs} ms`)),
      timeoutMs,
    )
    void this.ended.then((outcome) => seen.reject(new Error(`${name} has ended (${outcome})`)))
    try {
      await seen.promise
    } finally {
      clearTimeout(timer)
      this.#lineListeners.delete(listener)
    }
  }

  /** Resolves once it has ended, with how. */
  async stop(): Promise<string> {
    this.#isStopping = true
    for (const signal of [...this.#settings.stopSignals, 'SIGKILL'] as const) {
      this.#child.kill(signal)
      // One that was frozen must wake to obey.
      this.#child.kill('SIGCONT')
      if (await this.#hasEndedWithin(this.#settings.stopStepMs)) break
    }
    return this.ended
  }

  /** As a crash would end it. */
  async kill(): Promise<void> {
    this.#isStopping = true
    this.#child.kill('SIGKILL')
    await this.ended
  }

  #say(line: string, stream: 'stdout' | 'stderr'): void {
    this.#settings.onLine(line, stream)
    for (const listener of this.#lineListeners) listener(line)
  }

  async #hasEndedWithin(timeoutMs: number): Promise<boolean> {
    const timer = new AbortController()
    const hasEnded = await Promise.race([
      this.ended.then(() => true),
      delay(timeoutMs, false, { signal: timer.signal }).catch(() => false),
    ])
    timer.abort()
    return hasEnded
  }
}
