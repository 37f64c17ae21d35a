import { randomBytes } from 'node:crypto'
import type { RedisCommands } from '#shared/redis/client.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { COUNTS_LENGTH, merged, type SparseCounts } from './counts.ts'
import { type HistoryKey, RESOLUTIONS, type Resolution } from './history.ts'
import { ADD, ASK, REMEMBER } from './slo-scripts.ts'

/** Counts of one series in one slot of time. */
export type SloRecord = readonly [HistoryKey, SparseCounts]

/** What the fleet has counted that was not known. */
export interface SloNews {
  /** Another one than before: Redis has lost what it knew, or some of it. */
  readonly epoch: string
  /** The number of the last change that is told of here. */
  readonly reached: number
  readonly isMore: boolean
  readonly records: readonly SloRecord[]
}

/** Beyond its ring, so that a clock that is behind finds what it looks for. */
const SLACK_MS = 600_000

/** The fleet's counts in Redis: each call ends by the guard's deadline, and does little enough to be done by then. */
export class SloLink {
  readonly #redis: RedisGuard
  readonly #keys: readonly string[]

  /** @param process one life of one */
  constructor(redis: RedisGuard, process: string) {
    this.#redis = redis
    const key = (name: string) => redis.key(`slo:{slo}:${name}`) // in braces, so that all are on one shard
    this.#keys = ['meta', 'added', 'bases', 'changes', 'expiry', `member:${process}`].map(key)
  }

  get isImpaired(): boolean {
    return this.#redis.isImpaired
  }

  /** @returns the epoch, and whether the batch is counted; undefined where that is not known */
  async add(
    epoch: string,
    number: number,
    records: readonly SloRecord[],
  ): Promise<{ readonly epoch: string; readonly isAdded: boolean } | undefined> {
    const args = [epoch, anotherEpoch(), number, ...records.flatMap(told)]
    const answer = (await this.#call((redis) => ADD.run(redis, this.#keys, args))) as [string, number] | undefined
    return answer && { epoch: answer[0], isAdded: answer[1] === 1 }
  }

  /** Tells an epoch what was known before it. @returns whether it has been told; undefined where that is not known */
  async remember(epoch: string, records: readonly SloRecord[]): Promise<boolean | undefined> {
    const answer = await this.#call((redis) => REMEMBER.run(redis, this.#keys, [epoch, ...records.flatMap(told)]))
    return answer === undefined ? undefined : answer === 1
  }

  /** @param epoch that is known; empty for none. @returns undefined where Redis cannot be asked */
  async ask(epoch: string, reached: number, limit: number): Promise<SloNews | undefined> {
    const answer = (await this.#call((redis) => ASK.run(redis, this.#keys, [epoch, anotherEpoch(), reached, limit]))) as
      | [string, number, ...string[]]
      | undefined
    if (answer === undefined) return undefined
    const [found, last, ...texts] = answer
    const records: SloRecord[] = []
    let reachedNow = last
    for (let at = 0; at < texts.length; at += 4) {
      const [record = '', number, added = '[]', base = '[]'] = texts.slice(at, at + 4)
      reachedNow = Number(number)
      const key = readKey(record)
      if (key !== undefined) records.push([key, merged(readCounts(base), readCounts(added))])
    }
    const isMore = texts.length === 4 * limit
    return { epoch: found, reached: isMore ? reachedNow : last, isMore, records }
  }

  #call(run: (redis: RedisCommands) => Promise<unknown>): Promise<unknown> {
    return this.#redis.call<unknown>(this.#keys[0] as string, run, () => undefined)
  }
}

const anotherEpoch = (): string => randomBytes(9).toString('base64url')

const told = ([{ series, resolution, slot }, counts]: SloRecord): (string | number)[] => {
  const { slotMs, slots } = RESOLUTIONS[resolution] as Resolution
  return [`${resolution} ${slot} ${series}`, `[${counts.join()}]`, slotMs * slots + SLACK_MS]
}

/** Undefined for what is none: a later release's. */
const readKey = (text: string): HistoryKey | undefined => {
  const [, resolution, slot, series] = /^(\d) (\d{1,15}) (.+)$/.exec(text) ?? []
  if (series === undefined || RESOLUTIONS[Number(resolution)] === undefined) return undefined
  return { series, resolution: Number(resolution), slot: Number(slot) }
}

/** As Lua writes them, in any order; nothing for what is none. */
const readCounts = (text: string): SparseCounts => {
  const numbers = parsed(text)
  if (!Array.isArray(numbers) || !numbers.every(Number.isSafeInteger)) return new Uint32Array()
  const pairs = Array.from({ length: numbers.length >> 1 }, (_, at): number[] => numbers.slice(2 * at, 2 * at + 2))
  const known = pairs.filter(([place = -1]) => place >= 0 && place < COUNTS_LENGTH)
  return Uint32Array.from(known.sort(([one = 0], [other = 0]) => one - other).flat())
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
