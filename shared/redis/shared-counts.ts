import { randomBytes } from 'node:crypto'
import { type Clock, systemClock } from '../clock.ts'
import { RecentMap } from '../recent-map.ts'
import type { RedisGuard } from '../redis.ts'
import { isOutage } from './outage.ts'
import { isUnknownScript, Script } from './script.ts'

interface Count {
  readonly key: string
  /** Whose sum it is: another count of the same key, made after this one was forgotten, is another's. */
  readonly member: string
  /** Of this instance. */
  own: number
  /** Of all others, as heard last. */
  others: number
  readonly expiresAtMs: number
  /** Whether `own` has grown since it was sent. */
  isUnsent: boolean
  /** Whether it has made room for others. */
  isForgotten: boolean
}

export interface SharedCountsSettings {
  /** Part of every key. */
  readonly name: string
  /** How often what was counted is sent, and what others have counted is learned. */
  readonly flushIntervalMs?: number
  /** So many are kept at most, and at least the half of it that was made last: the oldest are forgotten. */
  readonly keysLimit: number
}

const FLUSH_INTERVAL_MS = 100
/** Commands of one pipeline; what is more waits for the next flush. */
const PIPELINE_LIMIT = 1_000

/**
 * KEYS: the count. ARGV: who, their own sum, milliseconds to live. Gives the sum of all others.
 *
 * Each writes its own sum and no other, and a sum only grows: what is sent twice, late, or again to a server that has
 * lost everything, counts once.
 */
const TELL = new Script(`
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if tonumber(ARGV[2]) > known then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
local others = 0
local sums = redis.call('HGETALL', KEYS[1])
for i = 1, #sums, 2 do
  if sums[i] ~= ARGV[1] then others = others + tonumber(sums[i + 1]) end
end
return others
`)

/**
 * Counts of a fleet, which each instance adds to and looks at in its own memory: what others have counted is known to it
 * with a delay of a flush at each end. Without Redis it counts alone, and what it has counted meanwhile is told
 * afterwards.
 */
export class SharedCounts {
  readonly #redis: RedisGuard | undefined
  readonly #prefix: string
  readonly #clock: Clock
  /** One life of this process: another one with the same instance ID begins at 0 and must not be taken for it. */
  readonly #member: string
  readonly #counts: RecentMap<Count>
  #turnedAtMs: number
  #longestLifeMs = 0
  readonly #timer: NodeJS.Timeout | undefined
  readonly #forget: (() => void) | undefined
  #made = 0
  #unsent: Count[] = []
  #flushing: Promise<void> | undefined

  constructor(
    redis: RedisGuard | undefined,
    instanceId: string,
    settings: SharedCountsSettings,
    clock: Clock = systemClock,
  ) {
    this.#redis = redis
    this.#prefix = `count:${settings.name}:`
    this.#counts = new RecentMap(settings.keysLimit, (counts) => this.#forgetAll(counts))
    this.#clock = clock
    this.#turnedAtMs = clock.monotonicMs()
    this.#member = `${instanceId}/${randomBytes(6).toString('base64url')}`
    if (redis === undefined) return
    this.#forget = redis.onRecovered(() => this.#sendAllAgain())
    this.#timer = setInterval(() => void this.flush(), settings.flushIntervalMs ?? FLUSH_INTERVAL_MS)
    this.#timer.unref()
  }

  /**
   * Counts, at once and in memory alone.
   *
   * @param key of what is counted, in one window of time: it must not be used again after its life
   * @param amount a whole number; 0 only asks to be told of the others' at the next flush
   * @param lifeMs how long the count is kept from its first addition here
   * @returns what the fleet has counted, as far as is known here
   */
  add(key: string, amount: number, lifeMs: number): number {
    const nowMs = this.#clock.monotonicMs()
    let count = this.#counts.get(key)
    if (count === undefined || count.expiresAtMs <= nowMs) {
      this.#longestLifeMs = Math.max(this.#longestLifeMs, lifeMs)
      // What was made before the last turn has come to its end when the longest life has passed since.
      if (nowMs - this.#turnedAtMs >= this.#longestLifeMs) this.#counts.turn()
      const member = `${this.#member}/${(this.#made++).toString(36)}`
      const expiresAtMs = nowMs + lifeMs
      count = { key, member, own: 0, others: 0, expiresAtMs, isUnsent: false, isForgotten: false }
      this.#counts.set(key, count)
    }
    count.own += amount
    this.#markUnsent(count)
    return count.own + count.others
  }

  /** What the fleet has counted, as far as is known here: only of what this instance has counted itself. */
  total(key: string): number {
    const count = this.#counts.get(key)
    return count === undefined || count.expiresAtMs <= this.#clock.monotonicMs() ? 0 : count.own + count.others
  }

  /** How many counts are kept, those included that have come to their end and not made room yet. */
  get size(): number {
    return this.#counts.size
  }

  /** Tells Redis what has been counted, and learns what others have. Never rejects. */
  flush(): Promise<void> {
    if (this.#redis === undefined) return Promise.resolve()
    this.#flushing ??= this.#flush(this.#redis).finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  /** Tells what is untold, where Redis can be told, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#forget?.()
    await this.#flushing
    // A server that does not know the script yet is told in the second round.
    const rounds = 2 + Math.ceil(this.#unsent.length / PIPELINE_LIMIT)
    for (let round = 0; round < rounds && this.#unsent.length > 0; round++) await this.flush()
  }

  async #flush(redis: RedisGuard): Promise<void> {
    const batch = this.#unsent.splice(0, PIPELINE_LIMIT).filter(({ isForgotten }) => !isForgotten)
    for (const count of batch) count.isUnsent = false
    const shards = Object.groupBy(batch, ({ key }) => redis.shardOf(this.#keyOf(key)))
    await Promise.all(Object.values(shards).map((counts) => this.#tell(redis, counts ?? [])))
  }

  async #tell(redis: RedisGuard, counts: readonly Count[]): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    const living = counts.filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    const [first] = living
    if (first === undefined) return
    const argsOf = ({ member, own, expiresAtMs }: Count) => [member, own, Math.ceil(expiresAtMs - nowMs)] as const
    const answers = await redis.call(
      this.#keyOf(first.key),
      async (commander) => {
        const pipeline = commander.pipeline()
        for (const count of living) TELL.addTo(pipeline, [this.#keyOf(count.key)], argsOf(count))
        const results = (await pipeline.exec()) ?? []
        const errors = results.flatMap(([error]) => (error === null ? [] : [error]))
        if (errors.some(isUnknownScript)) await TELL.run(commander, [this.#keyOf(first.key)], argsOf(first))
        const failed = errors.find((error) => !isUnknownScript(error))
        // Of a batch with an outage in it nothing is taken: it is all told again.
        if (failed !== undefined && (isOutage(failed) || errors.length === results.length)) throw failed
        return results
      },
      () => undefined,
    )
    for (const [index, count] of living.entries()) {
      const [error, others] = answers?.[index] ?? [new Error('no answer')]
      if (error === null) count.others = Number(others)
      else this.#markUnsent(count)
    }
  }

  #keyOf(key: string): string {
    return (this.#redis as RedisGuard).key(this.#prefix + key)
  }

  #markUnsent(count: Count): void {
    if (count.isUnsent || count.isForgotten || this.#redis === undefined) return
    count.isUnsent = true
    this.#unsent.push(count)
    if (this.#unsent.length > 2 * this.#counts.limit) {
      this.#unsent = this.#unsent.filter(({ isForgotten }) => !isForgotten)
    }
  }

  /** It may have lost what it knew, or have missed what was counted meanwhile. */
  #sendAllAgain(): void {
    for (const count of this.#counts.values()) this.#markUnsent(count)
  }

  #forgetAll(counts: Iterable<Count>): void {
    this.#turnedAtMs = this.#clock.monotonicMs()
    for (const count of counts) count.isForgotten = true
  }
}
