import type { Clock } from '#shared/clock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { Recent } from './recent.ts'

/** Each cost its client a solution. The longest ago are forgotten, and Redis still knows them. */
const REMEMBERED_LIMIT = 100_000

interface Use {
  readonly expiresAtMs: number
  /** Whether Redis has been told. */
  isTold: boolean
}

/**
 * Puzzles that have been answered, so that none is answered twice in the fleet. Redis decides; while it is lost each
 * instance goes by what it knows itself, and tells it afterwards.
 */
export class UsedPuzzles {
  readonly #redis: RedisGuard | undefined
  readonly #clock: Clock
  readonly #uses: Recent<Use>
  readonly #forget: (() => void) | undefined

  constructor(redis: RedisGuard | undefined, clock: Clock, rememberedLimit: number = REMEMBERED_LIMIT) {
    this.#redis = redis
    this.#clock = clock
    this.#uses = new Recent(rememberedLimit)
    this.#forget = redis?.onRecovered(() => void this.#tellAgain(redis))
  }

  /** How many are held in memory. */
  get size(): number {
    return this.#uses.size
  }

  /**
   * Uses a puzzle up. Ends by the deadline of Redis, and never rejects.
   *
   * @param id of the puzzle: as it goes into a key
   * @param expiresAtMs wall clock: after it the puzzle is refused for its age
   * @returns whether it had not been used before
   */
  async use(id: string, expiresAtMs: number): Promise<boolean> {
    if (this.#uses.get(id) !== undefined) return false
    // Before anything is waited for, so that the same answer twice at once is one too many.
    const use: Use = { expiresAtMs, isTold: this.#redis === undefined }
    this.#uses.set(id, use)
    if (this.#redis === undefined) return true
    return (await this.#tell(this.#redis, id, use)) !== 'known'
  }

  close(): void {
    this.#forget?.()
  }

  async #tell(redis: RedisGuard, id: string, use: Use): Promise<'new' | 'known' | 'untold'> {
    const key = redis.key(`challenge:used:${id}`)
    const lifeMs = Math.max(Math.ceil(use.expiresAtMs - this.#clock.wallMs()), 1)
    const told = await redis.call<'new' | 'known' | 'untold'>(
      key,
      async (commander) => ((await commander.set(key, '1', 'PX', lifeMs, 'NX')) === null ? 'known' : 'new'),
      () => 'untold',
    )
    if (told !== 'untold') use.isTold = true
    return told
  }

  /** One after the other: a loss leaves few, and they are in nobody's way. */
  async #tellAgain(redis: RedisGuard): Promise<void> {
    const nowMs = this.#clock.wallMs()
    const untold = this.#uses.entries().filter(([, use]) => !use.isTold && use.expiresAtMs > nowMs)
    for (const [id, use] of untold.toArray()) {
      if ((await this.#tell(redis, id, use)) === 'untold') return // told again at the next recovery
    }
  }
}
