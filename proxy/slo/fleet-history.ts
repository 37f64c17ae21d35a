import { randomBytes } from 'node:crypto'
import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { SparseCounts } from './counts.ts'
import { History, newSums, slotsOf } from './history.ts'
import { SloLink, type SloRecord } from './slo-link.ts'

const FLUSH_INTERVAL_MS = 1_000
/** How often the others' counts are learned; each second while somebody looks at them. */
const ASK_INTERVAL_MS = 10_000
const LOOKED_AT_FOR_MS = 15_000
const FORGET_INTERVAL_MS = 60_000
/** Of one call, so that both Redis and this process have done with it in a few milliseconds. */
const RECORDS_PER_CALL = 100

interface Batch {
  readonly number: number
  readonly counts: History
  /** Whether it has been sent before, and may have been added. */
  isSent: boolean
}

/**
 * What the whole fleet has counted: what Redis has of it, and what it has not been told yet. Each batch is added once. A Redis that has
 * lost what it knew is told what instances remember of it, place by place the greatest; without Redis, an instance goes on with what it knows, and
 * tells the rest when Redis is back.
 */
export class FleetHistory {
  /** As Redis has it, as far as it has been asked. */
  readonly #fleet = new History()
  /** Not in a batch yet. */
  readonly #untold = new History()
  readonly #link: SloLink | undefined
  readonly #log: Logger
  readonly #clock: Clock
  readonly #timer: NodeJS.Timeout
  #batch: Batch | undefined
  #numbers = 0
  #epoch = ''
  #reached = 0
  /** What the present epoch is still to be told of what was before it. */
  #remembered: SloRecord[] = []
  #askedAtMs = Number.NEGATIVE_INFINITY
  #learnedAtMs = Number.NEGATIVE_INFINITY
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #forgotAtMs = Number.NEGATIVE_INFINITY
  #working: Promise<void> | undefined
  /** Of exchanges that nobody knows whether they were counted: Redis lost what it knew just then. They are left out. */
  lostBatches = 0

  /** Is called before each flush, to add what has been counted. */
  collect: (() => void) | undefined

  constructor(redis: RedisGuard | undefined, instanceId: string, log: Logger, clock: Clock = systemClock) {
    this.#link = redis && new SloLink(redis, `${instanceId}/${randomBytes(6).toString('base64url')}`)
    this.#log = log
    this.#clock = clock
    this.#timer = setInterval(() => {
      this.collect?.()
      void this.flush()
    }, FLUSH_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Counts, at once and in memory alone. */
  add(series: string, wallMs: number, counts: SparseCounts): void {
    this.#untold.addAt(series, wallMs, counts)
  }

  /** Those that anything is remembered of. */
  get series(): readonly string[] {
    return [...new Set([...this.#fleet.series, ...this.#untold.series])].sort()
  }

  /** What has been counted of a series in the last `windowMs`, by place. */
  sum(series: string, windowMs: number, withLatencies = false): Float64Array {
    const range = slotsOf(windowMs, this.#clock.wallMs())
    const sums = newSums()
    this.#fleet.sumInto(sums, series, range, withLatencies)
    this.#untold.sumInto(sums, series, range, withLatencies)
    this.#batch?.counts.sumInto(sums, series, range, withLatencies)
    return sums
  }

  /** How long ago it was all that the fleet had told; without Redis, it always is. */
  get ageMs(): number {
    return this.#link === undefined ? 0 : this.#clock.monotonicMs() - this.#learnedAtMs
  }

  /** Somebody looks at it: it is made fresh, and kept so for a while. Never rejects. */
  look(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    const isFresh = nowMs - this.#lookedAtMs < LOOKED_AT_FOR_MS
    this.#lookedAtMs = nowMs
    return isFresh ? Promise.resolve() : this.flush(true)
  }

  /** Tells what is untold, and learns what is new where it is time to. Never rejects. */
  flush(isAsking = false): Promise<void> {
    if (this.#link === undefined) {
      this.#keepAll()
      return Promise.resolve()
    }
    if (isAsking) this.#askedAtMs = Number.NEGATIVE_INFINITY
    this.#working ??= this.#work(this.#link)
      .catch((error: unknown) => this.#log.error({ err: error }, 'what the fleet has counted could not be told'))
      .finally(() => {
        this.#working = undefined
      })
    return this.#working
  }

  /** Tells what is untold, where it can be, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.collect?.()
    await this.#working
    await this.flush()
  }

  async #work(link: SloLink): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    this.#forget(nowMs)
    if (link.isImpaired) return // so that no batch is in doubt
    if (!(await this.#remember(link))) return
    while (await this.#tell(link));
    const isLookedAt = nowMs - this.#lookedAtMs < LOOKED_AT_FOR_MS
    if (nowMs - this.#askedAtMs < (isLookedAt ? FLUSH_INTERVAL_MS : ASK_INTERVAL_MS) - FLUSH_INTERVAL_MS / 2) return
    if (!(await this.#ask(link))) return
    this.#askedAtMs = nowMs
    this.#learnedAtMs = nowMs
  }

  /** @returns whether there may be more to be told */
  async #tell(link: SloLink): Promise<boolean> {
    this.#batch ??= this.#nextBatch()
    const batch = this.#batch
    if (batch === undefined) return false
    const answer = await link.add(this.#epoch, batch.number, [...batch.counts.entries()])
    if (answer === undefined) {
      batch.isSent = true
      return false
    }
    if (!answer.isAdded) {
      this.#begin(answer.epoch)
      return this.#remember(link)
    }
    this.#batch = undefined
    this.#epoch = answer.epoch
    for (const [key, counts] of batch.counts.entries()) this.#fleet.add(key, counts) // until Redis is asked
    return true
  }

  #nextBatch(): Batch | undefined {
    const counts = new History()
    for (const [key, some] of this.#untold.entries().take(RECORDS_PER_CALL).toArray()) {
      this.#untold.delete(key)
      counts.add(key, some)
    }
    return counts.series.length === 0 ? undefined : { number: ++this.#numbers, counts, isSent: false }
  }

  /** Learns all that Redis has and this instance has not. @returns whether it has */
  async #ask(link: SloLink): Promise<boolean> {
    for (;;) {
      const news = await link.ask(this.#epoch, this.#reached, RECORDS_PER_CALL)
      if (news === undefined) return false
      if (news.epoch !== this.#epoch && this.#epoch !== '') {
        this.#begin(news.epoch)
        if (!(await this.#remember(link))) return false
        continue
      }
      this.#epoch = news.epoch
      this.#reached = news.reached
      for (const [key, counts] of news.records) this.#fleet.set(key, counts)
      if (!news.isMore) return true
    }
  }

  /** What Redis knew is lost, or the last of it: it is told what is known here. */
  #begin(epoch: string): void {
    this.#remembered = [...this.#fleet.entries()]
    this.#log.warn(
      { records: this.#remembered.length },
      'redis had lost what the fleet has counted: telling what is known here',
    )
    this.#epoch = epoch
    this.#reached = 0
    this.#numbers = 0
    const batch = this.#batch
    this.#batch = undefined
    if (batch === undefined) return
    if (batch.isSent) this.lostBatches++
    else for (const [key, counts] of batch.counts.entries()) this.#untold.add(key, counts)
  }

  /** @returns whether nothing is left to be told */
  async #remember(link: SloLink): Promise<boolean> {
    while (this.#remembered.length > 0) {
      const isTold = await link.remember(this.#epoch, this.#remembered.slice(0, RECORDS_PER_CALL))
      if (isTold === undefined) return false
      if (isTold) this.#remembered.splice(0, RECORDS_PER_CALL)
      else this.#remembered = [] // there is another epoch already: all of it is told once that is known
    }
    return true
  }

  /** Without a Redis, what is counted here is all there is. */
  #keepAll(): void {
    for (const [key, counts] of [...this.#untold.entries()]) {
      this.#untold.delete(key)
      this.#fleet.add(key, counts)
    }
    this.#forget(this.#clock.monotonicMs())
  }

  #forget(nowMs: number): void {
    if (nowMs - this.#forgotAtMs < FORGET_INTERVAL_MS) return
    this.#forgotAtMs = nowMs
    this.#untold.forget(this.#clock.wallMs())
    this.#fleet.forget(this.#clock.wallMs())
  }
}
