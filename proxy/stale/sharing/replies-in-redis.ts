import type { RedisCommands } from '#shared/redis/client.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { KeptReply } from '../kept-reply.ts'
import { readReplies, writeReplies } from './reply-bytes.ts'
import { PAGE, SHARE, SHARED_LATELY, UNSHARE } from './sharing-scripts.ts'

/** What one instance has told of an address. */
export interface SharedAddress {
  readonly key: string
  /** The last purge that had been carried out there. */
  readonly purgeNumber: number
  /** Undefined for what cannot be read. */
  readonly replies: readonly KeptReply[] | undefined
}

/** Of one call, so that both Redis and those who wait behind it have done with it in a few milliseconds. */
const CALL_BYTES = 256 * 1_024
const ADDRESSES_PER_CALL = 50

/** `time number replies`: see sharing-scripts.ts. */
const ENTRY_HEAD = /^(\d{1,16}) (\d{1,16}) /

/** Kept replies in Redis: each call is small, and ends by the guard's deadline. */
export class RepliesInRedis {
  readonly #redis: RedisGuard
  readonly #entries: string
  readonly #index: string

  constructor(redis: RedisGuard) {
    this.#redis = redis
    this.#entries = redis.key('stale:{purges}:entries') // on the shard of the purges
    this.#index = redis.key('stale:{purges}:index')
  }

  /**
   * Writes addresses, as many as fit into one call; those that are larger than one are left out.
   *
   * @returns how many are done with; undefined where Redis cannot be asked
   */
  async share(
    addresses: readonly { readonly key: string; readonly replies: readonly KeptReply[] }[],
    purgeNumber: number,
    nowMs: number,
    limits: { readonly bytes: number; readonly lifeMs: number },
  ): Promise<{ readonly done: number; readonly shared: number } | undefined> {
    const args: (string | Buffer)[] = []
    let [done, bytes] = [0, 0]
    for (const { key, replies } of addresses.slice(0, ADDRESSES_PER_CALL)) {
      const written = writeReplies(replies, nowMs)
      if (args.length > 0 && bytes + written.length > CALL_BYTES) break
      done++
      if (written.length > CALL_BYTES) continue
      bytes += written.length
      args.push(key, written)
    }
    if (args.length === 0) return { done, shared: 0 }
    const told = await this.#call((redis) =>
      SHARE.run(redis, [this.#entries, this.#index], [limits.bytes, limits.lifeMs, purgeNumber, ...args]),
    )
    return told === undefined ? undefined : { done, shared: args.length / 2 }
  }

  /** Of these addresses, those that nobody has written for so long; undefined where Redis cannot be asked. */
  async notSharedFor(ms: number, keys: readonly string[]): Promise<readonly string[] | undefined> {
    const answer = await this.#call((redis) => SHARED_LATELY.run(redis, [this.#index], [ms, ...keys]))
    return answer === undefined ? undefined : keys.filter((_, at) => (answer as number[])[at] === 0)
  }

  /** @returns whether they are gone */
  async unshare(keys: readonly string[]): Promise<boolean> {
    return (await this.#call((redis) => UNSHARE.run(redis, [this.#entries, this.#index], keys))) !== undefined
  }

  /** @returns whether all is gone */
  async clear(): Promise<boolean> {
    return (await this.#call((redis) => redis.del(this.#entries, this.#index))) !== undefined
  }

  /** Some of what there is, the latest first, after so many. Empty at the end; undefined where Redis cannot be asked. */
  async page(from: number, nowMs: number): Promise<readonly SharedAddress[] | undefined> {
    const page = await this.#call((redis) =>
      PAGE.run(redis, [this.#entries, this.#index], [from, CALL_BYTES, ADDRESSES_PER_CALL]),
    )
    if (page === undefined) return undefined
    const [wallMs, ...keys] = page as string[]
    if (keys.length === 0) return []
    const found = await this.#call((redis) => redis.hmgetBuffer(this.#entries, ...keys))
    return (found as (Buffer | null)[] | undefined)?.map((entry, at) =>
      readAddress(keys[at] as string, entry ?? Buffer.alloc(0), Number(wallMs), nowMs),
    )
  }

  #call(run: (redis: RedisCommands) => Promise<unknown>): Promise<unknown> {
    return this.#redis.call<unknown>(this.#entries, run, () => undefined)
  }
}

const readAddress = (key: string, entry: Buffer, wallMs: number, nowMs: number): SharedAddress => {
  const head = ENTRY_HEAD.exec(entry.toString('latin1', 0, 40))
  if (head === null) return { key, purgeNumber: 0, replies: undefined }
  const passedMs = Math.max(0, wallMs - Number(head[1]))
  return { key, purgeNumber: Number(head[2]), replies: readReplies(entry.subarray(head[0].length), passedMs, nowMs) }
}
