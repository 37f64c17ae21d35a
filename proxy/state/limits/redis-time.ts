/** What the clocks of Redis' shards show, as far as can be told from their last answers. */
export class RedisTime {
  readonly #aheadMs = new Map<string, number>()

  /** @param redisMicros what an answer said that came just now */
  hear(shard: string, redisMicros: number, nowMs: number): void {
    if (this.#aheadMs.size > SHARDS_LIMIT) this.#aheadMs.clear()
    this.#aheadMs.set(shard, redisMicros / 1_000 - nowMs)
  }

  isKnown(shard: string): boolean {
    return this.#aheadMs.has(shard)
  }

  /** @returns what its clock shows, or a little less; 0 where nothing has been heard of it */
  at(shard: string, nowMs: number): number {
    const aheadMs = this.#aheadMs.get(shard)
    return aheadMs === undefined ? 0 : aheadMs + nowMs
  }
}

/** Masters of old are forgotten by then. */
const SHARDS_LIMIT = 1_000
