import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, systemClock } from './clock.ts'
import type { Drain, InFlight } from './drain.ts'
import type { Logger } from './log.ts'

/**
 * How a process ends:
 *
 *     serving ──signal──▶ announcing ──DRAIN_DELAY_MS──▶ closing ──nothing in flight──▶ drained ──▶ closed (exit 0)
 *                             └────────second signal, or DRAIN_TIMEOUT_MS────────▶ cut (exit 1)
 *
 * - announcing: not ready, serving as before, while load balancers take notice.
 * - closing:    replies say `Connection: close`, no new connection, what is in flight is waited for.
 * - drained:    whoever waits for just that is told.
 * - closed:     resources are closed in the reverse order of their opening.
 */
export type ShutdownPhase = 'serving' | 'announcing' | 'closing' | 'drained' | 'closed' | 'cut'

/** Between the last accept and the closing of idle connections, for requests that were already on their way. */
const IDLE_GRACE_MS = 250
const POLL_MS = 20

export interface ShutdownSettings {
  readonly DRAIN_DELAY_MS: number
  readonly DRAIN_TIMEOUT_MS: number
}

interface Resource {
  readonly name: string
  close(): unknown
}

interface DrainedServer {
  readonly name: string
  readonly drain: Drain
}

export class Shutdown {
  readonly #settings: ShutdownSettings
  readonly #log: Logger
  readonly #exit: (code: number) => void
  readonly #clock: Clock
  readonly #announce: (() => void)[] = []
  readonly #settles: (() => Promise<void>)[] = []
  readonly #servers: DrainedServer[] = []
  readonly #resources: Resource[] = []
  #phase: ShutdownPhase = 'serving'

  constructor(
    settings: ShutdownSettings,
    log: Logger,
    exit: (code: number) => void = (code) => process.exit(code),
    clock: Clock = systemClock,
  ) {
    this.#settings = settings
    this.#log = log
    this.#exit = exit
    this.#clock = clock
  }

  get phase(): ShutdownPhase {
    return this.#phase
  }

  /** Runs when draining begins; this is where health turns unready. */
  onAnnounce(listener: () => void): void {
    this.#announce.push(listener)
  }

  /** `settle` is waited for once nothing is in flight, before any resource is closed. It must not reject. */
  onDrained(settle: () => Promise<void>): void {
    this.#settles.push(settle)
  }

  /** A server whose traffic is drained. */
  drains(name: string, drain: Drain): void {
    this.#servers.push({ name, drain })
  }

  /** A resource to be closed once nothing is in flight; the last opened is closed first. */
  opened(name: string, close: () => unknown): void {
    this.#resources.push({ name, close })
  }

  /** SIGTERM and SIGINT begin a drain; a second one forces its end. */
  listenToSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (this.#phase === 'serving') void this.begin(signal)
        else this.force(`second signal, ${signal}`)
      })
    }
  }

  /** Drains and exits. Called again, it does nothing: one drain a process. */
  async begin(reason: string): Promise<void> {
    if (this.#phase !== 'serving') return
    const startedAtMs = this.#clock.monotonicMs()
    const atStart = this.inFlight()
    this.#phase = 'announcing'
    this.#log.info(
      { reason, inFlight: atStart, drainDelayMs: this.#settings.DRAIN_DELAY_MS },
      'draining: not ready, still serving',
    )
    for (const announce of this.#announce) announce()
    const deadline = setTimeout(() => this.force('DRAIN_TIMEOUT_MS has passed'), this.#settings.DRAIN_TIMEOUT_MS)

    await delay(this.#settings.DRAIN_DELAY_MS)
    if (this.#isOver()) return
    this.#phase = 'closing'
    for (const { drain } of this.#servers) {
      drain.closeAfterReplies()
      drain.stopAccepting()
    }
    this.#log.info({ inFlight: this.inFlight() }, 'draining: no new connections')
    await delay(IDLE_GRACE_MS)
    while (!this.#isOver()) {
      for (const { drain } of this.#servers) drain.closeIdle()
      if (this.#isIdle()) break
      await delay(POLL_MS)
    }
    if (this.#isOver()) return
    this.#phase = 'drained'
    await Promise.all(this.#settles.map((settle) => settle()))
    if (this.#isOver()) return
    const failures = await this.#closeResources()
    if (this.#isOver()) return
    clearTimeout(deadline)
    this.#phase = 'closed'
    this.#log.info(
      { reason, inFlightAtStart: atStart, cut: 0, tookMs: Math.round(this.#clock.monotonicMs() - startedAtMs) },
      'drained',
    )
    this.#exit(failures === 0 ? 0 : 1)
  }

  /** Ends at once, and says what was lost by it. */
  force(reason: string): void {
    if (this.#isOver()) return
    this.#phase = 'cut'
    const cut = this.inFlight()
    this.#log.error({ reason, cut }, 'drain forced: what was in flight is cut')
    for (const { drain } of this.#servers) drain.cut()
    this.#exit(1)
  }

  #isOver(): boolean {
    return this.#phase === 'closed' || this.#phase === 'cut'
  }

  #isIdle(): boolean {
    const { requests, upgrades } = this.inFlight()
    return requests === 0 && upgrades === 0
  }

  inFlight(): InFlight {
    const each = this.#servers.map(({ drain }) => drain.inFlight())
    return {
      requests: each.reduce((sum, work) => sum + work.requests, 0),
      upgrades: each.reduce((sum, work) => sum + work.upgrades, 0),
      longestMs: Math.max(0, ...each.map((work) => work.longestMs)),
    }
  }

  async #closeResources(): Promise<number> {
    let failures = 0
    for (const { name, close } of this.#resources.toReversed()) {
      try {
        await close()
      } catch (error) {
        failures++
        this.#log.error({ err: error, resource: name }, 'a resource did not close')
      }
    }
    return failures
  }
}
