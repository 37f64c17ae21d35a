import { type Clock, systemClock } from '#shared/clock.ts'
import type { DeliveryChange, DuePurge, PurgeLedger, PurgeNews } from './purge-ledger.ts'
import type { Delivery, PurgeOrder, PurgeReport } from './purge-order.ts'

const REMEMBERED_LIMIT = 1_000

interface Entry {
  readonly order: PurgeOrder
  delivery: Delivery
  /** Undefined where it is not to be told to the CDN any more. */
  dueAtMs: number | undefined
}

/** Purges of a proxy without a Redis: it is its whole fleet, and forgets them when it ends. */
export class MemoryPurgeLedger implements PurgeLedger {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  #unheard: PurgeOrder[] = []
  #tell: (() => void) | undefined

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  async accept(order: PurgeOrder, isDelivered: boolean): Promise<boolean> {
    const delivery: Delivery = { state: isDelivered ? 'waiting' : 'local', attempts: 0, at: order.at }
    this.#entries.set(order.id, { order, delivery, dueAtMs: isDelivered ? this.#clock.monotonicMs() : undefined })
    this.#forgetSettled()
    this.#unheard.push(order)
    this.#tell?.()
    return true
  }

  async news(): Promise<PurgeNews> {
    const orders = this.#unheard
    this.#unheard = []
    return { orders, number: 0, hasGap: false, isLoss: false }
  }

  /** There is nobody to share with. */
  async latest(): Promise<undefined> {
    return undefined
  }

  async report(id: string): Promise<PurgeReport | 'unknown'> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return 'unknown'
    const purged = this.#unheard.includes(entry.order) ? 0 : 1
    return { order: entry.order, delivery: entry.delivery, instances: { purged, of: 1 } }
  }

  async due(limit: number, leaseMs: number): Promise<readonly DuePurge[]> {
    const nowMs = this.#clock.monotonicMs()
    const due = this.#entries
      .values()
      .filter(({ dueAtMs }) => dueAtMs !== undefined && dueAtMs <= nowMs)
      .take(limit)
      .toArray()
    for (const entry of due) entry.dueAtMs = nowMs + leaseMs
    return due.map(({ order, delivery }) => ({ order, attempts: delivery.attempts }))
  }

  async settle(changes: readonly DeliveryChange[]): Promise<boolean> {
    for (const { id, delivery, againInMs } of changes) {
      const entry = this.#entries.get(id)
      if (entry === undefined || entry.dueAtMs === undefined) continue // what has come to its end is not begun again
      entry.delivery = delivery
      entry.dueAtMs = againInMs === undefined ? undefined : this.#clock.monotonicMs() + againInMs
    }
    return true
  }

  onNews(listener: () => void): () => void {
    this.#tell = listener
    return () => {
      this.#tell = undefined
    }
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #forgetSettled(): void {
    for (const [id, { dueAtMs }] of this.#entries) {
      if (this.#entries.size <= REMEMBERED_LIMIT) return
      if (dueAtMs === undefined) this.#entries.delete(id)
    }
  }
}
