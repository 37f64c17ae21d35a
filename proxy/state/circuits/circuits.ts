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
  /** When an order ends by itself; not there where none does. */
  readonly until?: string
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

/** It holds whatever the policy has watched meanwhile. */
interface StandingOrder {
  readonly mode: 'open' | 'closed'
  /** Monotonic, and wall clock; infinite where only another order ends it. */
  readonly endsAtMs: number
  readonly untilMs: number
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
  readonly #orders = new Map<string, StandingOrder>()
  /** Of orders, the first to end. Not by a timer: nobody sees it before the next request, or report. */
  #nextEndMs = Number.POSITIVE_INFINITY
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
    this.#catchUp()
    return this.#entries.get(operation)?.circuit
  }

  countRefused(operation: string): void {
    const entry = this.#entries.get(operation)
    if (entry !== undefined) entry.refused++
  }

  /** @returns false where there is no such circuit: then nothing is ordered */
  order(operation: string, order: CircuitOrder, seconds?: number): boolean {
    if (this.of(operation) === undefined) return false
    this.obey(operation, order, seconds)
    return true
  }

  /**
   * The same, for what others have found to be a circuit: it holds for one that there will be, too.
   *
   * @param seconds after which `open` and `closed` are `auto` again; without, they hold until another order
   */
  obey(operation: string, order: CircuitOrder, seconds = Number.POSITIVE_INFINITY): void {
    this.#catchUp()
    if (order === 'open' || order === 'closed') {
      const forMs = seconds * 1_000
      const ends = { endsAtMs: this.nowMs + forMs, untilMs: this.#clock.wallMs() + forMs }
      this.#orders.set(operation, { mode: order, ...ends })
    } else this.#orders.delete(operation)
    this.#noteNextEnd()
    this.#entries.get(operation)?.circuit.order(order, this.nowMs)
  }

  reports(): readonly CircuitReport[] {
    this.#catchUp()
    const nowMs = this.nowMs
    return [...this.#entries].map(([name, { circuit, sinceMs, cause, refused }]) => {
      const { state } = circuit.standing
      const { untilMs = Number.POSITIVE_INFINITY } = this.#orders.get(name) ?? {}
      return {
        ...{
          name,
          state,
          mode: circuit.mode,
          ...(untilMs < Number.POSITIVE_INFINITY && { until: new Date(untilMs).toISOString() }),
          since: new Date(sinceMs).toISOString(),
        },
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

  #catchUp(): void {
    // The time is looked up only where an order has an end: this is passed by every request.
    if (this.#nextEndMs < Number.POSITIVE_INFINITY && this.nowMs >= this.#nextEndMs) this.#endOrders()
    if (this.#policy !== this.#policies.active) this.#follow(this.#policies.active)
  }

  #endOrders(): void {
    const { nowMs } = this
    for (const [name, { endsAtMs }] of this.#orders) {
      if (endsAtMs > nowMs) continue
      this.#orders.delete(name)
      this.#log.info({ operation: name }, 'circuit is left to itself, as its order has ended')
      this.#entries.get(name)?.circuit.order('auto', nowMs)
    }
    this.#noteNextEnd()
  }

  #noteNextEnd(): void {
    this.#nextEndMs = Math.min(...[...this.#orders.values()].map(({ endsAtMs }) => endsAtMs))
  }

  /** Operations that stay keep their circuits as they are; those that are watched no more lose them, and what has been ordered is kept. */
  #follow(active: CompiledPolicy): void {
    this.#policy = active
    const { breaker } = active.policy
    const watched = new Map(Object.entries<Operation>(active.policy.operations).filter(([, one]) => one.breaker))
    for (const name of this.#entries.keys()) if (!watched.has(name)) this.#entries.delete(name)
    for (const [name, operation] of watched) {
      const rules = rulesOf(breaker, operation, this.#limits)
      const entry = this.#entries.get(name)
      if (entry === undefined) this.#add(name, rules)
      else entry.circuit.follow(rules)
    }
  }

  #add(name: string, rules: CircuitRules): void {
    const onChange = (change: CircuitChange) => this.#onChange(name, entry, change)
    const circuit = new CircuitBreaker(rules, this.nowMs, this.#random, onChange)
    const entry: Entry = { circuit, sinceMs: this.#clock.wallMs(), cause: undefined, refused: 0, changes: new Map() }
    this.#entries.set(name, entry)
    const order = this.#orders.get(name)
    if (order !== undefined) circuit.order(order.mode, this.nowMs)
  }

  #onChange(operation: string, entry: Entry, change: CircuitChange): void {
    if (this.#entries.get(operation) !== entry) return // watched no more: its last requests are just ending
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
