import type { RedisGuard } from '#shared/redis.ts'
import type { DeliveryChange, DuePurge, LatestPurges, PurgeLedger, PurgeNews } from './purge-ledger.ts'
import type { Delivery, PurgeOrder, PurgeReport } from './purge-order.ts'
import { ACCEPT, DUE, LATEST, NEWS, REPORT, SETTLE } from './purge-scripts.ts'

const NEWS_LIMIT = 20

/** Purges of the fleet, all on one shard: each call does little enough to be done by the guard's deadline. */
export class RedisPurgeLedger implements PurgeLedger {
  readonly #redis: RedisGuard
  readonly #instanceId: string
  readonly #channel: string
  /** The number of the last purge that has been told here; undefined before it has asked. */
  #reached: number | undefined
  /** The ID of that purge, where it is known; else ''. */
  #lastId = ''
  /** Whether it has asked in vain. */
  #hasMissed = false

  /** @param instanceId '' for one that serves nothing, and need not confirm anything */
  constructor(redis: RedisGuard, instanceId: string) {
    this.#redis = redis
    this.#instanceId = instanceId
    this.#channel = redis.key('purges:accepted')
  }

  async accept(order: PurgeOrder, isDelivered: boolean): Promise<boolean> {
    const delivery: Delivery = { state: isDelivered ? 'waiting' : 'local', attempts: 0, at: order.at }
    const number = await this.#call((commander) =>
      ACCEPT.run(commander, ['last', 'log', 'queue', 'orders', 'expiry'].map(this.#key), [
        order.id,
        JSON.stringify({ order, delivery }),
        isDelivered ? 1 : 0,
        this.#channel,
      ]),
    )
    return typeof number === 'number'
  }

  async news(): Promise<PurgeNews | undefined> {
    const answer = (await this.#call((commander) =>
      NEWS.run(commander, ['last', 'log', 'orders', 'confirmed', 'alive'].map(this.#key), [
        ...[this.#reached ?? -1, NEWS_LIMIT],
        ...[this.#instanceId, this.#lastId],
      ]),
    )) as [string, number, ...string[]] | undefined
    if (answer === undefined) {
      this.#hasMissed = true
      return undefined
    }
    const [reached, hasGap, ...texts] = answer
    // Before the first answer it has heard of none, and may have kept what was purged meanwhile.
    const isLate = this.#reached === undefined && this.#hasMissed
    this.#reached = Number(reached)
    const orders = texts.map((text) => (JSON.parse(text) as { order: PurgeOrder }).order)
    this.#lastId = orders.at(-1)?.id ?? (hasGap === 1 ? '' : this.#lastId)
    return { orders, number: this.#reached, hasGap: hasGap === 1 || isLate, isLoss: hasGap === 1 }
  }

  async latest(limit: number): Promise<LatestPurges | undefined> {
    let last: number | undefined
    const orders: PurgeOrder[] = [] // the latest first
    while (orders.length < limit) {
      const answer = (await this.#call((commander) =>
        LATEST.run(commander, ['last', 'log', 'orders'].map(this.#key), [
          last === undefined ? '+inf' : last - orders.length,
          NEWS_LIMIT,
        ]),
      )) as [string, ...string[]] | undefined
      if (answer === undefined) return undefined
      const [number, ...found] = answer
      last ??= Number(number)
      for (let at = 0; at < found.length; at += 2) {
        if (Number(found[at]) !== last - orders.length || found[at + 1] === '')
          return { number: last, orders: orders.reverse() }
        orders.push((JSON.parse(found[at + 1] as string) as { order: PurgeOrder }).order)
      }
      if (found.length < 2 * NEWS_LIMIT) break
    }
    return { number: last ?? 0, orders: orders.reverse() }
  }

  async report(id: string): Promise<PurgeReport | 'unknown' | undefined> {
    const answer = (await this.#call((commander) =>
      REPORT.run(commander, ['orders', 'confirmed', 'alive'].map(this.#key), [id]),
    )) as [string, number, number] | [] | undefined
    if (answer === undefined) return undefined
    const [text, purged = 0, of = 0] = answer
    if (text === undefined) return 'unknown'
    const { order, delivery } = JSON.parse(text) as { order: PurgeOrder; delivery: Delivery }
    return { order, delivery, instances: { purged, of } }
  }

  async due(limit: number, leaseMs: number): Promise<readonly DuePurge[]> {
    const texts = (await this.#call((commander) =>
      DUE.run(commander, ['queue', 'orders'].map(this.#key), [limit, leaseMs]),
    )) as string[] | undefined
    return (texts ?? []).map((text) => {
      const { order, delivery } = JSON.parse(text) as { order: PurgeOrder; delivery: Delivery }
      return { order, attempts: delivery.attempts }
    })
  }

  async settle(changes: readonly DeliveryChange[]): Promise<boolean> {
    const args = changes.flatMap(({ id, delivery, againInMs }) => [id, JSON.stringify(delivery), againInMs ?? -1])
    const done = await this.#call((commander) => SETTLE.run(commander, ['queue', 'orders'].map(this.#key), args))
    return done !== undefined
  }

  onNews(listener: () => void): () => void {
    const endings = [this.#redis.subscribe(this.#channel, listener), this.#redis.onRecovered(listener)]
    return () => {
      for (const end of endings) end()
    }
  }

  async close(): Promise<void> {
    await this.#call((commander) => commander.zrem(this.#key('confirmed'), this.#instanceId))
    await this.#call((commander) => commander.zrem(this.#key('alive'), this.#instanceId))
  }

  /** In braces, so that all are on one shard. */
  readonly #key = (name: string): string => this.#redis.key(`purges:{purges}:${name}`)

  #call(run: Parameters<RedisGuard['call']>[1]): Promise<unknown> {
    return this.#redis.call<unknown>(this.#key('log'), run, () => undefined)
  }
}
