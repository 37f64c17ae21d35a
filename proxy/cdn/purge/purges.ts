import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { AppliedPurges } from '../../stale/applied-purges.ts'
import type { PurgeLedger } from './purge-ledger.ts'
import type { PurgeOrder, PurgeReport } from './purge-order.ts'
import { matcherOf, RecentPurges } from './recent-purges.ts'

const POLL_INTERVAL_MS = 1_000
/** So long a purge waits for all instances to have carried it out, before it is answered without them. */
const CONFIRMED_WITHIN_MS = 2_000
const LOOK_INTERVAL_MS = 20
/** What has missed more than these counts as purged. */
const LATEST_LIMIT = 1_000

/**
 * Purges, as this instance takes part in them: it carries out what any has accepted, and says so. While Redis is lost it hears of none, and
 * none is accepted.
 */
export class Purges {
  readonly #ledger: PurgeLedger
  readonly #applied: AppliedPurges | undefined
  readonly #log: Logger
  readonly #clock: Clock
  readonly #forget: () => void
  readonly #timer: NodeJS.Timeout
  #learning: Promise<void> | undefined
  /** Whether there may be news since it was asked last. */
  #isCalled = false
  #carriedOut: number | undefined
  #losses = 0

  /** @param applied undefined for a process that serves nothing itself */
  constructor(ledger: PurgeLedger, applied: AppliedPurges | undefined, log: Logger, clock: Clock = systemClock) {
    this.#ledger = ledger
    this.#applied = applied
    this.#log = log
    this.#clock = clock
    this.#forget = ledger.onNews(() => void this.learn())
    this.#timer = setInterval(() => void this.learn(), POLL_INTERVAL_MS)
    this.#timer.unref()
  }

  /** @returns what has become of it within two seconds; undefined where it is not accepted, as Redis is lost */
  async order(given: Omit<PurgeOrder, 'id' | 'at'>, isDelivered: boolean): Promise<PurgeReport | undefined> {
    const order = { ...given, id: randomUUID(), at: new Date(this.#clock.wallMs()).toISOString() }
    if (!(await this.#ledger.accept(order, isDelivered))) return undefined
    const untilMs = performance.now() + CONFIRMED_WITHIN_MS
    await this.learn()
    for (;;) {
      const report = await this.#ledger.report(order.id)
      const isDone = report !== undefined && report !== 'unknown' && report.instances.purged >= report.instances.of
      if (isDone || performance.now() > untilMs) {
        return typeof report === 'object' ? report : unconfirmed(order, isDelivered)
      }
      await delay(LOOK_INTERVAL_MS)
    }
  }

  /** The number of the last purge that has been carried out here; undefined before Redis has been asked. */
  get carriedOut(): number | undefined {
    return this.#carriedOut
  }

  /** How often Redis had lost purges. */
  get losses(): number {
    return this.#losses
  }

  /** The last ones of all, for what was kept elsewhere; undefined where Redis cannot be asked. */
  async latest(): Promise<RecentPurges | undefined> {
    const found = await this.#ledger.latest(LATEST_LIMIT)
    if (found === undefined) return undefined
    const recent = new RecentPurges(found.number - found.orders.length, LATEST_LIMIT)
    for (const order of found.orders) recent.add(matcherOf(order))
    return recent
  }

  report(id: string): Promise<PurgeReport | 'unknown' | undefined> {
    return this.#ledger.report(id)
  }

  /** Carries out what is new. Never rejects. */
  learn(): Promise<void> {
    this.#isCalled = true
    this.#learning ??= this.#learnAll().finally(() => {
      this.#learning = undefined
    })
    return this.#learning
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#forget()
    await this.#learning
    await this.#ledger.close()
  }

  async #learnAll(): Promise<void> {
    let isMore = false
    // Asked once more after what has been carried out: that tells the fleet of it.
    while (this.#isCalled || isMore) {
      this.#isCalled = false
      const news = await this.#ledger.news()
      if (news === undefined) return // asked again at the next interval, or when Redis is back
      if (news.hasGap) {
        this.#log.warn('purges may have been missed: nothing that was kept before is served')
        this.#applied?.apply({ kind: 'everything', values: [] })
      }
      for (const order of news.orders) this.#applied?.apply(order)
      if (news.isLoss) this.#losses++
      this.#carriedOut = news.number
      isMore = news.hasGap || news.orders.length > 0
    }
  }
}

/** Accepted, and then Redis was lost. */
const unconfirmed = (order: PurgeOrder, isDelivered: boolean): PurgeReport => ({
  order,
  delivery: { state: isDelivered ? 'waiting' : 'local', attempts: 0, at: order.at },
  instances: { purged: 0, of: 1 },
})
