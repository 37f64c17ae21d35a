import type { RedisGuard } from '../redis.ts'
import { NOW, Script } from './script.ts'

/** KEYS: the members. ARGV: who, milliseconds for which one counts as alive, whether it stays. Gives how many there are. */
const PRESENT = new Script(`${NOW}
if ARGV[3] == 'stays' then redis.call('ZADD', KEYS[1], now, ARGV[1]) else redis.call('ZREM', KEYS[1], ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
`)

const BEAT_INTERVAL_MS = 1_000
/** One whose beats have not come for so long is taken for dead. */
const BEATS_TO_DEATH = 3

/** How many instances of a process there are, by the clock of Redis: each tells that it lives. */
export class Fleet {
  readonly #redis: RedisGuard | undefined
  readonly #key: string
  readonly #instanceId: string
  readonly #beatIntervalMs: number
  readonly #timer: NodeJS.Timeout | undefined
  readonly #forget: (() => void) | undefined
  #size = 1

  /** @param process which kind of process: part of the key */
  constructor(
    redis: RedisGuard | undefined,
    process: string,
    instanceId: string,
    beatIntervalMs: number = BEAT_INTERVAL_MS,
  ) {
    this.#redis = redis
    this.#instanceId = instanceId
    this.#beatIntervalMs = beatIntervalMs
    this.#key = redis?.key(`fleet:${process}`) ?? ''
    if (redis === undefined) return
    this.#forget = redis.onRecovered(() => void this.#beat('stays'))
    this.#timer = setInterval(() => void this.#beat('stays'), beatIntervalMs)
    this.#timer.unref()
    void this.#beat('stays')
  }

  /** Living instances, this one included, as known last; 1 as long as Redis has never told. */
  get size(): number {
    return this.#size
  }

  /** Leaves the fleet, where Redis can be told. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#forget?.()
    await this.#beat('leaves')
  }

  async #beat(intent: 'stays' | 'leaves'): Promise<void> {
    const lifeMs = BEATS_TO_DEATH * this.#beatIntervalMs
    const size = await this.#redis?.call<unknown>(
      this.#key,
      (redis) => PRESENT.run(redis, [this.#key], [this.#instanceId, lifeMs, intent]),
      () => undefined,
    )
    if (typeof size === 'number' && intent === 'stays') this.#size = Math.max(size, 1)
  }
}
