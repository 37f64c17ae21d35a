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
  isAlone: Uint8Array
  /** What this one goes on beside. */
  base: LimitState | undefined
  /** Of the fleet, as the policy has it that was obeyed last. */
  capacityMs: number
}

/**
 * What clients have used of each limit. A limit is known by its name and by what its keys are: as long as a policy has
 * it, what was used stays used, whatever else changes, or each change of the policy would forgive every attacker.
 */
export class LimitStates {
  readonly #states = new Map<string, LimitState>()
  readonly #untold: Untold | undefined
  readonly #base: LimitStates | undefined
  #policy: CompiledPolicy | undefined

  /**
   * @param untold where what is charged waits to be told to the fleet; undefined where nobody is told
   * @param base that these go on beside
   */
  constructor(untold?: Untold, base?: LimitStates) {
    this.#untold = untold
    this.#base = base
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
    const state = this.#states.get(limit.name)
    if (state === undefined) return this.#begin(limit, nowMs)
    if (this.#base !== undefined && state.base === undefined) standBeside(state, this.#base.#find(limit))
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
  beside(): LimitStates {
    return new LimitStates(undefined, this)
  }

  #find({ name, keyKind }: CompiledLimit): LimitState | undefined {
    const state = this.#states.get(name)
    return state?.keyKind === keyKind ? state : undefined
  }

  #begin(limit: CompiledLimit, nowMs: number): LimitState {
    const { name, keyKind, rate } = limit
    const { capacityMs } = rate
    const isAlone = new Uint8Array(SLOTS).fill(this.#isAlone ? 1 : 0)
    const state: LimitState = { name, keyKind, capacityMs, base: undefined, buckets: new Buckets(nowMs), isAlone }
    this.#states.set(name, state)
    const base = this.#base === undefined ? undefined : this.#base.#find(limit)
    if (base !== undefined) standBeside(state, base)
    return state
  }

  /** Whether a limit of which nothing is known yet is this instance's share. */
  get #isAlone(): boolean {
    // What goes on beside others meets a limit before they do: until its next request it is taken for one that they have, too.
    if (this.#base !== undefined) return this.#base.#isAlone
    return this.#untold === undefined || this.#untold.isImpaired
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

/**
 * From now on it begins, key by key, with what `base` has, and hears of the fleet what that hears. A limit that the policy in force does not
 * have is this instance's share, as nobody tells what the others would admit.
 */
const standBeside = (state: LimitState, base: LimitState | undefined): void => {
  if (base === undefined) {
    state.isAlone.fill(1)
    return
  }
  state.base = base
  state.isAlone = base.isAlone
  state.buckets.standBeside(base.buckets)
}
