import type { CompiledLimit, CompiledPolicy } from '../policy/compile.ts'
import { SLOTS } from './bucket.ts'
import { Buckets } from './buckets.ts'
import type { Claim } from './claim.ts'
import type { Untold } from './untold.ts'

/** What clients have used of one limit. */
export interface LimitState {
  readonly name: string
  readonly keyKind: string
  readonly buckets: Buckets
  /** By slot: 1 where nothing is heard of the rest of the fleet, and this instance grants its share alone. */
  readonly isAlone: Uint8Array
  /** Of the fleet, as the policy has it that was obeyed last. */
  capacityMs: number
}

/**
 * What clients have used of each limit. A limit is known by its name and by what its keys are: as long as a policy has
 * it, what was used stays used, whatever else changes, or each change of the policy would forgive every attacker.
 */
export class LimitStates {
  readonly #states: Map<string, LimitState>
  readonly #untold: Untold | undefined
  #policy: CompiledPolicy | undefined

  /** @param untold where what is charged waits to be told to the fleet; undefined where nobody is told */
  constructor(untold?: Untold, states: Iterable<readonly [string, LimitState]> = []) {
    this.#untold = untold
    this.#states = new Map(states)
  }

  /** How many keys are held. */
  get size(): number {
    return this.#states.values().reduce((sum, { buckets }) => sum + buckets.size, 0)
  }

  all(): Iterable<LimitState> {
    return this.#states.values()
  }

  /**
   * What a limit knows of itself.
   *
   * @param policy in force: limits that it does not have are forgotten
   */
  of(policy: CompiledPolicy, limit: CompiledLimit, nowMs: number): LimitState {
    if (policy !== this.#policy) this.#obey(policy)
    const known = this.#states.get(limit.name)
    if (known !== undefined) return known
    const { name, keyKind, rate } = limit
    const isAlone = new Uint8Array(SLOTS).fill(this.#untold === undefined || this.#untold.isImpaired ? 1 : 0)
    const state: LimitState = { name, keyKind, buckets: new Buckets(nowMs), isAlone, capacityMs: rate.capacityMs }
    this.#states.set(name, state)
    return state
  }

  /** Lets a request count. The fleet hears of it as soon as it can be told. */
  charge({ state, bucket, isAlone, rate }: Claim, nowMs: number): void {
    bucket.charge(rate, nowMs)
    if (this.#untold === undefined) return
    // What is admitted alone is never added up: of that the greatest arrival time counts.
    bucket.untoldMs = isAlone ? 0 : bucket.untoldMs + rate.emissionMs
    this.#untold.add(state, bucket)
  }

  /** The same, to go on apart from this, and telling nobody: for a policy that is tried beside the one in force. */
  beside(nowMs: number): LimitStates {
    return new LimitStates(
      undefined,
      this.#states
        .entries()
        .map(([name, state]) => [name, { ...state, buckets: state.buckets.beside(nowMs) }] as const),
    )
  }

  #obey(policy: CompiledPolicy): void {
    this.#policy = policy
    for (const [name, state] of this.#states) {
      const limit = policy.limits.get(name)
      if (limit?.keyKind !== state.keyKind) this.#states.delete(name)
      else state.capacityMs = limit.rate.capacityMs
    }
  }
}
