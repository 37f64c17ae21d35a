import type { CompiledLimit, CompiledPolicy } from '../policy/compile.ts'
import { Arrivals } from './arrivals.ts'
import { type Decision, decide, type Quota, quota, type Rate } from './gcra.ts'

/** A request before one limit: what would come of it, and what has come of those before it. */
export interface Claim {
  readonly limit: CompiledLimit
  readonly decision: Decision
  /** Lets the request count. */
  charge(): void
  /** What is left to the client, this request included if it has been charged. */
  quota(): Quota
}

interface LimitState {
  readonly keyKind: string
  readonly arrivals: Arrivals
}

/**
 * What clients have used of each limit. A limit is known by its name and by what its keys are: as long as a policy has
 * it, what was used stays used, whatever else changes, or each change of the policy would forgive every attacker.
 */
export class LimitStates {
  readonly #states: Map<string, LimitState>
  #policy: CompiledPolicy | undefined

  constructor(states: Iterable<readonly [string, LimitState]> = []) {
    this.#states = new Map(states)
  }

  /** How many keys are held. */
  get size(): number {
    return this.#states.values().reduce((sum, { arrivals }) => sum + arrivals.size, 0)
  }

  /**
   * @param policy in force: limits that it does not have are forgotten
   * @param fleetSize living instances, each of which grants an equal share of the limit
   * @param nowMs monotonic
   */
  claim(policy: CompiledPolicy, limit: CompiledLimit, key: string, fleetSize: number, nowMs: number): Claim {
    if (policy !== this.#policy) this.#obey(policy)
    const { arrivals } = this.#stateOf(limit, nowMs)
    const rate = shareOf(limit.rate, fleetSize)
    arrivals.expire(nowMs, rate.capacityMs)
    let arrivalMs = arrivals.get(key, nowMs, limit.keysLimit) ?? nowMs
    const decision = decide(rate, arrivalMs, nowMs)
    return {
      limit,
      decision,
      charge() {
        arrivalMs = decision.arrivalMs
        arrivals.set(key, arrivalMs, nowMs, limit.keysLimit)
      },
      quota: () => quota(rate, arrivalMs, nowMs),
    }
  }

  /** The same, to go on apart from this: for a policy that is tried beside the one in force. */
  beside(nowMs: number): LimitStates {
    return new LimitStates(
      this.#states
        .entries()
        .map(([name, { keyKind, arrivals }]) => [name, { keyKind, arrivals: arrivals.beside(nowMs) }] as const),
    )
  }

  #obey(policy: CompiledPolicy): void {
    this.#policy = policy
    for (const [name, { keyKind }] of this.#states) {
      if (policy.limits.get(name)?.keyKind !== keyKind) this.#states.delete(name)
    }
  }

  #stateOf({ name, keyKind }: CompiledLimit, nowMs: number): LimitState {
    let state = this.#states.get(name)
    if (state === undefined) {
      state = { keyKind, arrivals: new Arrivals(nowMs) }
      this.#states.set(name, state)
    }
    return state
  }
}

/** One instance's part of a fleet's rate: the same capacity in time, and so the same share of the burst. */
const shareOf = ({ emissionMs, capacityMs }: Rate, fleetSize: number): Rate => ({
  emissionMs: emissionMs * fleetSize,
  capacityMs: Math.max(capacityMs, emissionMs * fleetSize),
})
