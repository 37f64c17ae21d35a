import type { Clock } from '#shared/clock.ts'
import type { RedisCommands } from '#shared/redis/client.ts'
import { isOutage } from '#shared/redis/outage.ts'
import { isUnknownScript } from '#shared/redis/script.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { SLOTS } from './bucket.ts'
import { fleetKeyEnd, fleetKeyStart } from './fleet-keys.ts'
import { KEPT_MS, MERGE } from './fleet-scripts.ts'
import { type LimitState, LimitStates } from './limit-states.ts'
import { RedisTime } from './redis-time.ts'
import { type Told, Untold } from './untold.ts'

const FLUSH_INTERVAL_MS = 100
/** What is more waits for the next one: 25,000 keys a second. */
const KEYS_A_FLUSH = 2_500
/** A long script holds up everyone else who asks Redis. */
const KEYS_A_CALL = 500
/** What one instance can admit beyond a limit's burst before it hears of the others. */
const UNHEARD_MS = 1_000

/** What is used of the guard. */
export type LimitRedis = Pick<RedisGuard, 'key' | 'call' | 'shardOf' | 'isLeftAlone' | 'isImpaired' | 'onRecovered'>

/** Clients of one limit whose keys are on one slot. */
interface Group {
  readonly state: LimitState
  readonly slot: number
  readonly told: readonly Told[]
}

/** A group on its way. */
interface Sent extends Group {
  /** Of each client, how much has been told. */
  readonly addedMs: readonly number[]
}

/**
 * The fleet's arrival times, which Redis holds. Ten times a second it is told what has been admitted here since, and answers what
 * the fleet has used. Nothing is told twice: of what was sent without an answer, and of all that was admitted while Redis was lost, only
 * the arrival time is told, and the greater counts.
 */
export class FleetLimits {
  readonly states: LimitStates
  readonly time = new RedisTime()
  readonly #redis: LimitRedis
  readonly #fleet: { readonly size: number }
  readonly #clock: Clock
  readonly #untold = new Untold()
  readonly #timer: NodeJS.Timeout
  readonly #forget: () => void
  /** Shards that gave no answer when they were last told something. */
  readonly #silent = new Set<string>()
  #flushing: Promise<void> | undefined

  /** @param intervalMs in tests, how often is told; they may call {@link flush} themselves */
  constructor(
    redis: LimitRedis,
    fleet: { readonly size: number },
    clock: Clock,
    intervalMs: number = FLUSH_INTERVAL_MS,
  ) {
    this.#redis = redis
    this.#fleet = fleet
    this.#clock = clock
    this.states = new LimitStates(this.#untold)
    this.#forget = redis.onRecovered(() => this.#untold.addAll(this.states.all()))
    this.#timer = setInterval(() => void this.flush(), intervalMs)
    this.#timer.unref()
  }

  /** How many clients wait to be told. */
  get waiting(): number {
    return this.#untold.size
  }

  /** Tells what has been admitted, and hears what the fleet has used. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  /** Tells what is untold, where Redis can be told, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#forget()
    await this.#flushing
    const rounds = 1 + Math.ceil(this.#untold.size / KEYS_A_FLUSH)
    for (let round = 0; round < rounds && this.#untold.size > 0; round++) await this.flush()
  }

  /** Of a client, in Redis. */
  keyOf({ state, bucket }: Told): string {
    return this.#redis.key(fleetKeyStart(state, bucket.slot) + fleetKeyEnd(state.keyKind, bucket.key))
  }

  /** What stands before a client there: of all in this slot alike. */
  startOf(state: LimitState, slot: number): string {
    return this.#redis.key(fleetKeyStart(state, slot))
  }

  /** What every script is told first. */
  commonArgs(state: LimitState, shard: string, sentMs: number): [number, number, number] {
    const reachMs = (state.capacityMs + UNHEARD_MS) * this.#fleet.size
    return [this.time.at(shard, sentMs), state.capacityMs, reachMs]
  }

  async #flush(): Promise<void> {
    this.#seeWhoIsAlone()
    const isLost = this.#redis.isImpaired
      ? ({ state, bucket }: Told) => this.#redis.isLeftAlone(this.startOf(state, bucket.slot))
      : () => false
    const taken = this.#untold.take(KEYS_A_FLUSH, isLost)
    const shards = Map.groupBy(this.#groups(taken), ({ state, slot }) => this.#redis.shardOf(this.startOf(state, slot)))
    for (const shard of this.#silent) if (!shards.has(shard)) this.#silent.delete(shard) // there is nothing to try it with
    await Promise.all(shards.entries().map(([shard, groups]) => this.#tellShard(shard, groups)))
    this.#seeWhoIsAlone()
  }

  #groups(taken: readonly Told[]): Group[] {
    return [...Map.groupBy(taken, ({ state }) => state)].flatMap(([state, ofState]) =>
      [...Map.groupBy(ofState, ({ bucket }) => bucket.slot)].map(([slot, told]) => ({ state, slot, told })),
    )
  }

  /** One call behind the other, so that others come between. */
  async #tellShard(shard: string, groups: readonly Group[]): Promise<void> {
    if (!this.time.isKnown(shard) && !(await this.#learnTime(shard, groups[0] as Group))) {
      for (const { state, told } of groups) for (const { bucket } of told) this.#untold.add(state, bucket)
      return
    }
    let call: Group[] = []
    let keys = 0
    for (const group of groups) {
      call.push(group)
      keys += group.told.length
      if (keys < KEYS_A_CALL && group !== groups.at(-1)) continue
      await this.#tell(shard, call)
      call = []
      keys = 0
    }
  }

  /** @returns whether it has answered; else all that was to be told waits on */
  async #learnTime(shard: string, { state, slot }: Group): Promise<boolean> {
    const key = this.startOf(state, slot)
    const redisMicros = await this.#redis.call(
      key,
      (redis) => learnTime(redis, key),
      () => undefined,
    )
    if (redisMicros === undefined) {
      this.#silent.add(shard)
      return false
    }
    this.time.hear(shard, redisMicros, this.#clock.monotonicMs())
    return true
  }

  async #tell(shard: string, groups: readonly Group[]): Promise<void> {
    const sentMs = this.#clock.monotonicMs()
    const sent = groups.map((group) => take(group, sentMs)).filter(({ told }) => told.length > 0)
    const [first] = sent
    if (first === undefined) return
    const keysOf = ({ told }: Sent) => told.map((one) => this.keyOf(one))
    const argsOf = ({ state, told, addedMs }: Sent) => [
      ...this.commonArgs(state, shard, sentMs),
      ...told.flatMap(({ bucket }, index) => [addedMs[index] as number, bucket.arrivalMs - sentMs]),
    ]
    const answers = await this.#redis.call(
      this.startOf(first.state, first.slot),
      async (commander) => {
        const pipeline = commander.pipeline()
        for (const group of sent) MERGE.addTo(pipeline, keysOf(group), argsOf(group))
        const results = (await pipeline.exec()) ?? []
        const errors = results.flatMap(([error]) => (error === null ? [] : [error]))
        const failed = errors.find((error) => !isUnknownScript(error))
        if (failed !== undefined && (isOutage(failed) || errors.length === results.length)) throw failed
        if (errors.some(isUnknownScript)) await learnTime(commander, this.keyOf(first.told[0] as Told))
        return results
      },
      () => undefined,
    )
    if (answers === undefined) this.#silent.add(shard)
    else this.#silent.delete(shard)
    for (const [index, group] of sent.entries()) {
      const [error, answer] = answers?.[index] ?? [new Error('no answer')]
      if (error === null) this.#hear(shard, group, sentMs, answer as number[])
      else this.#tellAgain(group, isUnknownScript(error))
    }
  }

  #hear(shard: string, group: Sent, sentMs: number, [redisMicros = 0, isLate, ...aheadMicros]: number[]): void {
    const nowMs = this.#clock.monotonicMs()
    this.time.hear(shard, redisMicros, nowMs)
    if (isLate === 1) {
      this.#tellAgain(group, true)
      return
    }
    for (const [index, { bucket }] of group.told.entries()) {
      bucket.hear(sentMs + (aheadMicros[index] as number) / 1_000, nowMs)
    }
  }

  /** @param isUntold whether it is known that what was sent has not been counted; else only the arrival time is told again */
  #tellAgain({ state, told, addedMs }: Sent, isUntold: boolean): void {
    for (const [index, { bucket }] of told.entries()) {
      if (isUntold) bucket.untoldMs += addedMs[index] as number
      this.#untold.add(state, bucket)
    }
  }

  /** Of each limit's slots, whether its clients get this instance's share alone, as their shard is lost. */
  #seeWhoIsAlone(): void {
    const isAnyLost = this.#silent.size > 0 || this.#redis.isImpaired
    if (!isAnyLost && !this.#untold.isImpaired) return
    this.#untold.isImpaired = isAnyLost
    for (const state of this.states.all()) {
      for (let slot = 0; slot < SLOTS; slot++) {
        const start = this.startOf(state, slot)
        const isLost = isAnyLost && (this.#redis.isLeftAlone(start) || this.#silent.has(this.#redis.shardOf(start)))
        state.isAlone[slot] = isLost ? 1 : 0
      }
    }
  }
}

/** By a merge that comes too late to change anything; a server that does not know the script knows it then. */
const learnTime = async (redis: RedisCommands, key: string): Promise<number> => {
  const [redisMicros = 0] = (await MERGE.run(redis, [key], [1, 0, 0, 0, 0])) as number[]
  return redisMicros
}

/** What is told of a group, which counts as told from now on. Left out is what others need not know any more. */
const take = ({ state, slot, told }: Group, nowMs: number): Sent => {
  const living = told.filter(({ bucket }) => {
    const isNews = bucket.untoldMs > 0 ? bucket.arrivalMs > nowMs - KEPT_MS : bucket.arrivalMs > nowMs
    if (!isNews) bucket.untoldMs = 0
    return isNews
  })
  const addedMs = living.map(({ bucket }) => bucket.untoldMs)
  for (const { bucket } of living) bucket.untoldMs = 0
  return { state, slot, told: living, addedMs }
}
