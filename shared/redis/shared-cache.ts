import { type Clock, systemClock } from '../clock.ts'
import type { RedisGuard } from '../redis.ts'

export interface SharedCacheSettings {
  /** Part of every key. */
  readonly name: string
  /** Entries held in memory; those longest unused are forgotten. */
  readonly entriesLimit: number
  /** How long a copy in memory is used before Redis is asked again. */
  readonly freshMs?: number
}

interface Entry {
  /** Undefined where Redis knew of none. */
  readonly value: string | undefined
  readonly freshUntilMs: number
  /** Until then it is used where Redis cannot be asked. */
  readonly expiresAtMs: number
}

const FRESH_MS = 1_000

/**
 * Small texts that the fleet remembers for a while. Whoever sets one knows it at once; the others see it within
 * `freshMs`. While Redis is lost each instance goes on with what it knows. For what may be forgotten: it is a cache.
 */
export class SharedCache {
  readonly #redis: RedisGuard | undefined
  readonly #prefix: string
  readonly #entriesLimit: number
  readonly #freshMs: number
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #asking = new Map<string, Promise<string | undefined>>()

  constructor(redis: RedisGuard | undefined, settings: SharedCacheSettings, clock: Clock = systemClock) {
    this.#redis = redis
    this.#prefix = `cache:${settings.name}:`
    this.#entriesLimit = settings.entriesLimit
    this.#freshMs = settings.freshMs ?? FRESH_MS
    this.#clock = clock
  }

  /** How many entries are held in memory. */
  get size(): number {
    return this.#entries.size
  }

  /** What this instance knows, without asking: for where nothing may be waited for. */
  peek(key: string): string | undefined {
    return this.#living(key)?.value
  }

  /** What the fleet knows; takes no longer than a call of Redis may. Never rejects. */
  async get(key: string): Promise<string | undefined> {
    const known = this.#living(key)
    if (this.#redis === undefined || (known !== undefined && this.#clock.monotonicMs() < known.freshUntilMs)) {
      return known?.value
    }
    let asking = this.#asking.get(key)
    if (asking === undefined) {
      asking = this.#ask(this.#redis, key).finally(() => this.#asking.delete(key))
      this.#asking.set(key, asking)
    }
    return asking
  }

  /**
   * Remembers it, here at once. @param lifeMs at least 1
   *
   * @returns once the fleet knows it, or cannot be told. Never rejects.
   */
  async set(key: string, value: string, lifeMs: number): Promise<void> {
    this.#remember(key, value, lifeMs)
    await this.#redis?.call<unknown>(
      this.#keyOf(key),
      (redis) => redis.set(this.#keyOf(key), value, 'PX', Math.ceil(lifeMs)),
      () => undefined,
    )
  }

  async #ask(redis: RedisGuard, key: string): Promise<string | undefined> {
    const before = this.#entries.get(key)
    const found = await redis.call(
      this.#keyOf(key),
      async (commander) => {
        const pipeline = commander.pipeline().get(this.#keyOf(key)).pttl(this.#keyOf(key))
        const [value, life] = (await pipeline.exec()) ?? []
        const failed = value?.[0] ?? life?.[0]
        if (failed != null) throw failed
        return { value: value?.[1] as string | null, lifeMs: Number(life?.[1]) }
      },
      () => undefined,
    )
    const known = this.#living(key)
    // Redis could not be asked, or this instance itself has set another meanwhile.
    if (found === undefined || this.#entries.get(key) !== before) return known?.value
    if (found.value === null || found.lifeMs <= 0) this.#remember(key, undefined, this.#freshMs)
    else this.#remember(key, found.value, found.lifeMs)
    return found.value ?? undefined
  }

  #living(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    if (entry.expiresAtMs <= this.#clock.monotonicMs()) return undefined
    this.#entries.set(key, entry) // so that it is the one used last
    return entry
  }

  #remember(key: string, value: string | undefined, lifeMs: number): void {
    const nowMs = this.#clock.monotonicMs()
    const expiresAtMs = nowMs + lifeMs
    this.#entries.delete(key)
    this.#entries.set(key, { value, expiresAtMs, freshUntilMs: Math.min(nowMs + this.#freshMs, expiresAtMs) })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#entriesLimit && oldest !== undefined) this.#entries.delete(oldest)
  }

  #keyOf(key: string): string {
    return this.#redis?.key(this.#prefix + key) ?? ''
  }
}
