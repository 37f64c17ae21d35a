import { z } from 'zod'
import { type Clock, systemClock } from '#shared/clock.ts'
import { copiedText } from '#shared/copied-text.ts'
import { RecentMap } from '#shared/recent-map.ts'
import { SharedCache } from '#shared/redis/shared-cache.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { Violation } from './violation.ts'

/** Of each client. */
const VIOLATIONS_KEPT = 5
const CLIENTS_LIMIT = 10_000
/** In Redis it takes up to 2 KB a block: so long after the block's end is it kept, */
const KEPT_AFTER_MS = 3_600_000
/** and of a flood of blocks so many at once, and so many a second: 76 MB an hour at most from one instance. */
const [BURST, PER_SECOND] = [1_000, 10]
/** Both may be long, and are the client's to choose. */
const [METHOD_LIMIT, PATH_LIMIT] = [32, 200]
/** A timer of Redis takes no more. */
const LONGEST_LIFE_MS = 365 * 86_400_000

const violations = z.array(
  z.strictObject({
    at: z.string(),
    kind: z.enum(['rate-limited', 'challenge-failed']),
    what: z.string(),
    method: z.string(),
    path: z.string(),
    route: z.string().optional(),
  }),
)

/** The last violations of clients, and of those that were blocked, for the fleet, what led there. */
export class Evidence {
  /** The clients that were heard of last. */
  readonly #recent = new RecentMap<Violation[]>(2 * CLIENTS_LIMIT)
  readonly #kept: SharedCache
  readonly #clock: Clock
  /** When all of the burst is there again. */
  #fullAtMs = Number.NEGATIVE_INFINITY

  constructor(redis: RedisGuard | undefined, clock: Clock = systemClock) {
    this.#clock = clock
    this.#kept = new SharedCache(redis, { name: 'block-evidence', entriesLimit: CLIENTS_LIMIT }, clock)
  }

  add(client: string, violation: Violation): void {
    const recent = this.#recent.get(client) ?? []
    const method = copiedText(violation.method.slice(0, METHOD_LIMIT))
    const path = copiedText(violation.path.slice(0, PATH_LIMIT))
    recent.push({ ...violation, method, path })
    if (recent.length > VIOLATIONS_KEPT) recent.shift()
    this.#recent.set(client, recent)
  }

  /** Of those that this instance has refused. */
  recent(client: string): readonly Violation[] {
    return this.#recent.get(client) ?? []
  }

  /** Keeps what has led to a block of so long, unless there are too many blocks. */
  keep(client: string, blockMs: number): void {
    const recent = this.recent(client)
    this.#recent.delete(client)
    const nowMs = this.#clock.monotonicMs()
    const fullAtMs = Math.max(this.#fullAtMs, nowMs) + 1_000 / PER_SECOND
    if (fullAtMs > nowMs + (BURST * 1_000) / PER_SECOND) return
    this.#fullAtMs = fullAtMs
    void this.#kept.set(client, JSON.stringify(recent), Math.min(blockMs + KEPT_AFTER_MS, LONGEST_LIFE_MS))
  }

  /** What has led to the block of a client; empty where nothing is known of it any more. Never rejects. */
  async of(client: string): Promise<readonly Violation[]> {
    const text = await this.#kept.get(client)
    return text === undefined ? [] : (violations.safeParse(parsed(text)).data ?? [])
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema refuses it: somebody else has written there
  }
}
