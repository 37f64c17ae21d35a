import { randomBytes } from 'node:crypto'
import type { RedisGuard } from '#shared/redis.ts'
import { type BlockEntry, readEntry } from './block-entry.ts'
import type { Untold } from './block-memory.ts'
import { ASK, TELL } from './block-scripts.ts'

/** What Redis has that was not known. */
export interface News {
  /** Another one than before: Redis has lost what it knew, or some of it. */
  readonly epoch: string
  /** The number of the last change that is told of here. */
  readonly reached: number
  /** Whether there is more. */
  readonly isMore: boolean
  readonly entries: readonly BlockEntry[]
  /** Of ranges that have what is no entry. */
  readonly unreadable: readonly string[]
}

/** The blocks in Redis: each call ends by the guard's deadline, and does little enough to be done by then. */
export class BlockLink {
  readonly #redis: RedisGuard
  readonly #keys: readonly [string, string, string, string]
  readonly #channel: string

  constructor(redis: RedisGuard) {
    this.#redis = redis
    const key = (name: string) => redis.key(`blocks:{blocks}:${name}`) // in braces, so that all are on one shard
    this.#keys = [key('meta'), key('state'), key('changes'), key('expiry')]
    this.#channel = redis.key('blocks:changed')
  }

  /** `listener` is told of changes, and of each time that some may have been missed. @returns what ends it */
  onChanged(listener: () => void): () => void {
    const endings = [this.#redis.subscribe(this.#channel, listener), this.#redis.onRecovered(listener)]
    return () => {
      for (const end of endings) end()
    }
  }

  /** @returns what the ranges have now; undefined where Redis cannot be told, or it is not known whether it was */
  async tell(changes: readonly Untold[]): Promise<readonly BlockEntry[] | undefined> {
    const args = changes.flatMap(({ range, mode, entry, forgetAtMs }) => [
      ...[range, mode, entry],
      Number.isFinite(forgetAtMs) ? Math.round(forgetAtMs) : '+inf',
    ])
    const answer = await this.#redis.call(
      this.#keys[0],
      (commander) => TELL.run(commander, this.#keys, [this.#channel, ...args]) as Promise<string[]>,
      () => undefined,
    )
    return answer?.flatMap((entry, index) => readEntry((changes[index] as Untold).range, entry) ?? [])
  }

  /** @param epoch that is known; empty for none. @returns undefined where Redis cannot be asked */
  async ask(epoch: string, reached: number, limit: number): Promise<News | undefined> {
    const another = randomBytes(9).toString('base64url')
    const answer = await this.#redis.call(
      this.#keys[0],
      (commander) => ASK.run(commander, this.#keys, [epoch, another, reached, limit]) as Promise<[string, ...string[]]>,
      () => undefined,
    )
    if (answer === undefined) return undefined
    const [newEpoch, , ...found] = answer
    const entries: BlockEntry[] = []
    const unreadable: string[] = []
    for (let at = 0; at < found.length; at += 3) {
      const [range, , text] = found.slice(at, at + 3) as [string, string, string]
      const entry = readEntry(range, text)
      if (entry === undefined) unreadable.push(range)
      else entries.push(entry)
    }
    const last = found.at(-2)
    return {
      epoch: newEpoch,
      reached: last === undefined ? (newEpoch === epoch ? reached : 0) : Number(last),
      isMore: found.length === 3 * limit,
      entries,
      unreadable,
    }
  }
}
