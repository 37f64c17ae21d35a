import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, systemClock } from './clock.ts'
import type { Instance } from './instance.ts'

/** Something this process needs, and how to ask whether it is there. */
export interface DependencyCheck {
  readonly name: string
  /** A required dependency that is down makes the process unready; any other only degrades it. */
  readonly required: boolean
  /** Pause between the end of one probe and the start of the next. */
  readonly intervalMs: number
  /** A probe that has not answered by then counts as failed. */
  readonly timeoutMs: number
  /** Resolves when the dependency is well, rejects when it is not. May be called only once at a time. */
  probe(signal: AbortSignal): Promise<void>
}

type DependencyStatus = 'unknown' | 'up' | 'down'

interface DependencyState {
  readonly name: string
  readonly required: boolean
  status: DependencyStatus
  /** Of the last probe that ended. */
  latencyMs: number | null
  checkedAt: string | null
  /** Kept after recovery, with its time: the first thing an operator asks about a flapping dependency. */
  lastError: { message: string; at: string } | null
}

/** `starting → serving → draining`; only `serving` can be ready. */
export type Lifecycle = 'starting' | 'serving' | 'draining'

export interface HealthReply {
  readonly status: 200 | 503
  readonly body: Readonly<Record<string, unknown>>
}

/** Who can answer the health paths: one process, or the primary of several workers for them all. */
export interface HealthAnswers {
  /** The answer for a health path, or undefined where `path` is none. */
  answer(path: string): HealthReply | undefined
}

/**
 * What the probes of the kubelet are told. Dependencies are probed in the background, so an answer is a look at
 * memory: a hung dependency delays no one.
 */
export class Health implements HealthAnswers {
  readonly #instance: Instance
  readonly #clock: Clock
  readonly #states: DependencyState[] = []
  readonly #checks: DependencyCheck[] = []
  readonly #stop = new AbortController()
  readonly #startedAtMs: number
  #lifecycle: Lifecycle = 'starting'
  readonly #listeners: (() => void)[] = []

  constructor(instance: Instance, checks: readonly DependencyCheck[], clock: Clock = systemClock) {
    this.#instance = instance
    this.#clock = clock
    this.#startedAtMs = clock.monotonicMs()
    for (const check of checks) {
      this.#checks.push(check)
      this.#states.push({
        name: check.name,
        required: check.required,
        status: 'unknown',
        latencyMs: null,
        checkedAt: null,
        lastError: null,
      })
    }
  }

  get lifecycle(): Lifecycle {
    return this.#lifecycle
  }

  /** Begins probing. Each dependency has a loop of its own, so that one cannot delay another. */
  start(): void {
    this.#checks.forEach((check, index) => {
      void this.#watch(check, this.#states[index] as DependencyState)
    })
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Listeners are bound; from here on readiness depends on the dependencies alone. */
  markServing(): void {
    if (this.#lifecycle !== 'starting') return
    this.#lifecycle = 'serving'
    this.#changed()
  }

  markDraining(): void {
    this.#lifecycle = 'draining'
    this.#changed()
  }

  /** `listener` is called after each change of lifecycle or of a dependency's status. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** The process runs. Never looks at dependencies: restarting a process does not mend its database. */
  live(): HealthReply {
    return { status: 200, body: { status: 'ok', instance: this.#instance.id } }
  }

  ready(): HealthReply {
    const reasons = this.#reasonsNotReady()
    return {
      status: reasons.length === 0 ? 200 : 503,
      body: { status: this.#overall(reasons), instance: this.#instance.id, ...(reasons.length > 0 && { reasons }) },
    }
  }

  /** Each dependency with latency and last error: for operators, not for the public. */
  report(): HealthReply {
    const reasons = this.#reasonsNotReady()
    return {
      status: reasons.length === 0 ? 200 : 503,
      body: {
        status: this.#overall(reasons),
        lifecycle: this.#lifecycle,
        instance: this.#instance.id,
        version: this.#instance.version,
        uptimeSeconds: Math.floor((this.#clock.monotonicMs() - this.#startedAtMs) / 1_000),
        reasons,
        dependencies: this.#states.map((state) => ({ ...state })),
      },
    }
  }

  answer(path: string): HealthReply | undefined {
    switch (path) {
      case '/health/live':
        return this.live()
      case '/health/ready':
        return this.ready()
      case '/health':
        return this.report()
      default:
        return undefined
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  #reasonsNotReady(): string[] {
    const reasons: string[] = []
    if (this.#lifecycle !== 'serving') reasons.push(this.#lifecycle)
    for (const state of this.#states) {
      if (state.required && state.status !== 'up') {
        reasons.push(state.status === 'down' ? `${state.name} is down` : `${state.name} has not been probed yet`)
      }
    }
    return reasons
  }

  #overall(reasonsNotReady: readonly string[]): 'ok' | 'degraded' | 'unavailable' {
    if (reasonsNotReady.length > 0) return 'unavailable'
    return this.#states.every((state) => state.status === 'up') ? 'ok' : 'degraded'
  }

  async #watch(check: DependencyCheck, state: DependencyState): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const ended = this.#probeOnce(check, state)
      await ended.reported
      // A probe that ignores its signal is waited for here, its dependency staying down: never two at once.
      await ended.settled
      try {
        await delay(check.intervalMs, undefined, { signal: this.#stop.signal, ref: false })
      } catch {
        return // stopped: the only reason for which this delay rejects
      }
    }
  }

  #probeOnce(check: DependencyCheck, state: DependencyState): { reported: Promise<void>; settled: Promise<void> } {
    const startedAtMs = this.#clock.monotonicMs()
    const timeout = new AbortController()
    const probing = (async () => check.probe(AbortSignal.any([timeout.signal, this.#stop.signal])))()
    const settled = probing.then(
      () => undefined,
      () => undefined, // reported below, by whichever of probe and timer is first
    )
    const reported = new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#record(state, startedAtMs, new Error(`no answer within ${check.timeoutMs} ms`))
        timeout.abort()
        resolve()
      }, check.timeoutMs)
      timer.unref()
      const finish = (error?: unknown) => {
        clearTimeout(timer)
        if (!timeout.signal.aborted && !this.#stop.signal.aborted) this.#record(state, startedAtMs, error)
        resolve()
      }
      probing.then(() => finish(), finish)
    })
    return { reported, settled }
  }

  #record(state: DependencyState, startedAtMs: number, error: unknown): void {
    const at = new Date(this.#clock.wallMs()).toISOString()
    const before = state.status
    state.latencyMs = Math.round((this.#clock.monotonicMs() - startedAtMs) * 10) / 10
    state.checkedAt = at
    state.status = error === undefined ? 'up' : 'down'
    if (error !== undefined) {
      state.lastError = { message: error instanceof Error ? error.message : String(error), at }
    }
    if (state.status !== before) this.#changed()
  }
}
