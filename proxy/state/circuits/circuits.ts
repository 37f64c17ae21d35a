import type { Clock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import { connectTimeoutMs, headersTimeoutMs, type UpstreamLimits } from '../../upstream/limits.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import type { Policy } from '../policy/schema.ts'
import {
  CircuitBreaker,
  type CircuitCause,
  type CircuitChange,
  type CircuitMode,
  type CircuitOrder,
  type CircuitRules,
  type CircuitState,
} from './circuit-breaker.ts'

/** How one circuit is, for operators. */
export interface CircuitReport {
  /** Of the operation. */
  readonly name: string
  readonly state: CircuitState
  readonly mode: CircuitMode
  readonly since: string
  /** Of the last change; not there where there was none. */
  readonly cause?: CircuitCause
  /** Of requests, what goes to the app. */
  readonly admittedShare: number
  readonly failuresInARow: number
  /** Within the window. */
  readonly requests: number
  readonly failures: number
  /** Since the start. */
  readonly refused: number
}

type Operation = Policy['operations']['read']
type AppTimeouts = Pick<UpstreamLimits, 'connectTimeoutMs' | 'headersTimeoutMs'>

interface Entry {
  readonly circuit: CircuitBreaker
  /** When it came into its state; wall clock. */
  sinceMs: number
  cause: CircuitCause | undefined
  refused: number
  /** Into which state how often. */
  readonly changes: Map<CircuitState, number>
}

/**
 * The circuits of this process, one for each operation that the policy has watched. Nobody else is asked or told: the app
 * beside another instance is another app, and says nothing of this one.
 */
export class Circuits {
  readonly #policies: { readonly active: CompiledPolicy }
  readonly #limits: AppTimeouts
  readonly #clock: Clock
  readonly #random: () => number
  readonly #log: Logger
  readonly #entries = new Map<string, Entry>()
  #policy: CompiledPolicy | undefined

  constructor(
    policies: { readonly active: CompiledPolicy },
    limits: AppTimeouts,
    clock: Clock,
    random: () => number,
    log: Logger,
  ) {
    this.#policies = policies
    this.#limits = limits
    this.#clock = clock
    this.#random = random
    this.#log = log
  }

  get nowMs(): number {
    return this.#clock.monotonicMs()
  }

  /** Undefined for an operation that is not watched. */
  of(operation: string): CircuitBreaker | undefined {
    if (this.#policy !== this.#policies.active) this.#follow(this.#policies.active)
    return this.#entries.get(operation)?.circuit
  }

  countRefused(operation: string): void {
    const entry = this.#entries.get(operation)
    if (entry !== undefined) entry.refused++
  }

  /** @returns false where there is no such circuit */
  order(operation: string, order: CircuitOrder): boolean {
    const circuit = this.of(operation)
    circuit?.order(order, this.nowMs)
    return circuit !== undefined
  }

  reports(): readonly CircuitReport[] {
    if (this.#policy !== this.#policies.active) this.#follow(this.#policies.active)
    const nowMs = this.nowMs
    return [...this.#entries].map(([name, { circuit, sinceMs, cause, refused }]) => {
      const { state } = circuit.standing
      return {
        ...{ name, state, mode: circuit.mode, since: new Date(sinceMs).toISOString() },
        ...(cause !== undefined && { cause }),
        admittedShare: circuit.admittedShare(nowMs),
        failuresInARow: circuit.failuresInARow,
        ...circuit.counted(nowMs),
        refused,
      }
    })
  }

  /** Every operation and state that it has changed to. */
  *changes(): Generator<{ operation: string; to: CircuitState; count: number }> {
    for (const [operation, { changes }] of this.#entries) {
      for (const [to, count] of changes) yield { operation, to, count }
    }
  }

  /** Operations that stay keep their circuits as they are; those that are watched no more lose them. */
  #follow(active: CompiledPolicy): void {
    this.#policy = active
    const { breaker } = active.policy
    const watched = new Map(Object.entries<Operation>(active.policy.operations).filter(([, one]) => one.breaker))
    for (const name of this.#entries.keys()) if (!watched.has(name)) this.#entries.delete(name)
    for (const [name, operation] of watched) {
      const rules = rulesOf(breaker, operation, this.#limits)
      const entry = this.#entries.get(name)
      if (entry === undefined) this.#entries.set(name, this.#newEntry(name, rules))
      else entry.circuit.follow(rules)
    }
  }

  #newEntry(name: string, rules: CircuitRules): Entry {
    const onChange = (change: CircuitChange) => this.#onChange(name, entry, change)
    const circuit = new CircuitBreaker(rules, this.nowMs, this.#random, onChange)
    const entry: Entry = { circuit, sinceMs: this.#clock.wallMs(), cause: undefined, refused: 0, changes: new Map() }
    return entry
  }

  #onChange(operation: string, entry: Entry, change: CircuitChange): void {
    entry.cause = change.cause
    entry.sinceMs = this.#clock.wallMs()
    entry.changes.set(change.to, (entry.changes.get(change.to) ?? 0) + 1)
    const said = { operation, ...change }
    if (change.to === 'open') this.#log.warn(said, 'circuit opens')
    else this.#log.info(said, `circuit is ${change.to}`)
  }
}

/** What a probe is waited for beyond the app's own time for it: the client's part, before it is taken to hold it up. */
const rulesOf = (breaker: Policy['breaker'], operation: Operation, limits: AppTimeouts): CircuitRules => {
  const openMs = breaker.openSeconds * 1_000
  return {
    consecutiveFailures: breaker.consecutiveFailures,
    failureShare: breaker.failureShare,
    minimumRequests: breaker.minimumRequests,
    windowMs: breaker.windowSeconds * 1_000,
    openMs,
    rampMs: breaker.rampSeconds * 1_000,
    probeMs: openMs + connectTimeoutMs(operation, limits) + headersTimeoutMs(operation, limits),
  }
}
