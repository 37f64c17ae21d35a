import { SupervisedProcess } from '../../deploy/local/supervised-process.ts'

/** What it may keep of its last lines, for the message when something goes wrong. */
const KEPT_LINES = 20
const STOP_STEP_MS = 3_000

export interface ChildSettings {
  readonly name: string
  /** For `taskset -c`. */
  readonly cpus: string
  readonly command: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

export interface Child {
  readonly name: string
  /** Of the program itself: `taskset` has become it. */
  readonly pid: number
  readonly lastLines: readonly string[]
  /** Resolves when it has ended, with how. */
  readonly ended: Promise<string>
  stop(): Promise<void>
}

/** Every process that the benchmark starts, each held to its cores, so that all of them can be stopped. */
export class Children {
  readonly #running = new Set<SupervisedProcess>()
  #isStopped = false

  /** Whether the operator has asked for an end. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  start(settings: ChildSettings, onLine?: (line: string) => void): Child {
    // A benchmark that has been interrupted starts nothing more.
    if (this.#isStopped) throw new Interrupted()
    const lastLines: string[] = []
    const process_ = new SupervisedProcess({
      name: settings.name,
      command: 'taskset',
      args: ['-c', settings.cpus, settings.command, ...settings.args],
      environment: { PATH: process.env.PATH, LC_ALL: 'C', ...settings.environment },
      stopSignals: ['SIGTERM'],
      stopStepMs: STOP_STEP_MS,
      leashSignal: 'KILL',
      onLine: (line) => {
        lastLines.push(line)
        if (lastLines.length > KEPT_LINES) lastLines.shift()
        onLine?.(line)
      },
    })
    const { pid } = process_
    if (pid === undefined) throw new Error(`${settings.name} could not be started`)
    this.#running.add(process_)
    void process_.ended.then(() => this.#running.delete(process_))
    return {
      name: settings.name,
      pid,
      lastLines,
      ended: process_.ended,
      stop: async () => {
        await process_.stop()
      },
    }
  }

  /**
   * Runs a program to its end, and gives the lines that it wrote.
   *
   * @throws Error where it ends with another status than 0, or not in time
   */
  async run(settings: ChildSettings, timeoutMs: number): Promise<string[]> {
    const lines: string[] = []
    const child = this.start(settings, (line) => lines.push(line))
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      void child.stop()
    }, timeoutMs)
    const outcome = await child.ended
    clearTimeout(timer)
    if (this.#isStopped) throw new Interrupted()
    if (isLate) throw new Error(`${child.name} took longer than ${timeoutMs} ms`)
    if (outcome !== 'status 0') throw new Error(`${child.name} ended with ${outcome}:\n${child.lastLines.join('\n')}`)
    return lines
  }

  /** Stops everything, for good. */
  async stopAll(): Promise<void> {
    this.#isStopped = true
    await Promise.all([...this.#running].map((process_) => process_.stop()))
  }
}

/** The operator has asked for an end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'

  constructor() {
    super('interrupted')
  }
}
