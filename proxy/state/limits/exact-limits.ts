import type { Clock } from '#shared/clock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { Claim } from './claim.ts'
import type { FleetLimits } from './fleet-limits.ts'
import { ADMITTED, DECIDE, GIVE_BACK, REFUSED } from './fleet-scripts.ts'

/** What Redis has decided; `unknown` where it could not be asked, or has not answered in time. */
export type ExactDecision = 'admitted' | 'refused' | 'unknown'

/** Limits that are kept exactly: Redis decides each request, and what it says is known here from then on. */
export class ExactLimits {
  readonly #redis: RedisGuard
  readonly #fleet: FleetLimits
  readonly #clock: Clock

  constructor(redis: RedisGuard, fleet: FleetLimits, clock: Clock) {
    this.#redis = redis
    this.#fleet = fleet
    this.#clock = clock
  }

  /** Has it decided, by the guard's deadline; at once where Redis is known to be lost. Once admitted, the request counts. Never rejects. */
  async decide(claim: Claim): Promise<ExactDecision> {
    const { state, bucket, rate } = claim
    const key = this.#fleet.keyOf(claim)
    const shard = this.#redis.shardOf(key)
    const sentMs = this.#clock.monotonicMs()
    // How far ahead a client is can only be said by Redis' clock.
    const atLeastMs = this.#fleet.time.isKnown(shard) ? bucket.arrivalMs - sentMs : 0
    const args = [...this.#fleet.commonArgs(state, shard, sentMs), ...[atLeastMs, rate.emissionMs, rate.capacityMs]]
    const answer = await this.#redis.call<number[] | undefined>(
      key,
      async (redis) => (await DECIDE.run(redis, [key], args)) as number[],
      () => undefined,
    )
    if (answer === undefined) return 'unknown'
    const nowMs = this.#clock.monotonicMs()
    const [redisMicros = 0, decision, aheadMicros = 0] = answer
    this.#fleet.time.hear(shard, redisMicros, nowMs)
    if (decision !== ADMITTED && decision !== REFUSED) return 'unknown'
    if (decision === ADMITTED) bucket.charge(rate, sentMs)
    bucket.hear(sentMs + aheadMicros / 1_000, nowMs)
    return decision === ADMITTED ? 'admitted' : 'refused'
  }

  /** What was admitted does not count after all. Nobody waits for it; where the call is lost, the request counts. */
  giveBack(claim: Claim): void {
    const { state, bucket, rate } = claim
    bucket.giveBack(rate)
    const key = this.#fleet.keyOf(claim)
    const args = [
      ...this.#fleet.commonArgs(state, this.#redis.shardOf(key), this.#clock.monotonicMs()),
      rate.emissionMs,
    ]
    void this.#redis.call<unknown>(
      key,
      (redis) => GIVE_BACK.run(redis, [key], args),
      () => undefined,
    )
  }
}
