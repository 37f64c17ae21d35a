import type { Logger } from '#shared/log.ts'

/** Why everything is to stop: someone asked for it, or a part has ended by itself. */
export type HaltReason =
  | { readonly kind: 'asked'; readonly by: string }
  | { readonly kind: 'broken'; readonly why: string }

interface Part {
  readonly name: string
  stop(): Promise<unknown>
}

/**
 * What has been started, so that it is stopped whole: `running → halted → stopped`. The first reason to halt is the one
 * that counts.
 */
export class Supervisor {
  readonly #log: Logger
  readonly #parts: Part[] = []
  readonly #halt = new AbortController()
  #reason: HaltReason | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** Aborted at the first reason to stop; starting goes no further then. */
  get halted(): AbortSignal {
    return this.#halt.signal
  }

  get reason(): HaltReason | undefined {
    return this.#reason
  }

  started(name: string, stop: () => Promise<unknown>): void {
    this.#parts.push({ name, stop })
  }

  /** A part has ended, and no one had asked it to. */
  broke(name: string, outcome: string): void {
    this.halt({ kind: 'broken', why: `${name} ended unexpectedly (${outcome})` })
  }

  halt(reason: HaltReason): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    if (reason.kind === 'broken') this.#log.error(`${reason.why}: stopping the others`)
    else this.#log.info(`${reason.by}: draining, then stopping; once more ends it at once`)
    this.#halt.abort(new Error(reason.kind === 'broken' ? reason.why : `stopped by ${reason.by}`))
  }

  /** Stops the parts, the last started first, each before the next: the proxy drains while the app still answers. */
  async stopAll(): Promise<void> {
    for (const { name, stop } of this.#parts.splice(0).toReversed()) {
      try {
        await stop()
        this.#log.info(`${name} has stopped`)
      } catch (error) {
        this.#log.error({ err: error }, `${name} did not stop as it should`)
      }
    }
  }
}
