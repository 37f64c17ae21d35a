import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import { CallBudget } from './call-budget.ts'
import type { CdnProvider, PurgeBatch, PurgeResult, PurgeSettings } from './cdn-provider.ts'
import type { DeliveryChange, DuePurge, PurgeLedger } from './purge-ledger.ts'

/** Whom purges are told to. */
export interface CdnTarget {
  readonly provider: CdnProvider
  readonly settings: PurgeSettings
  /** Undefined where there is no credential. */
  readonly token: string | undefined
}

const PURGES_AT_ONCE = 100
/** Longer than all of their calls take: then another instance may take them over. */
const LEASE_MS = 60_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 300_000
/** A CDN that has not taken a purge by then will have forgotten what it was of. */
const GIVEN_UP_AFTER_MS = 86_400_000

/** Tells the CDN what is to be purged: many purges in one call, as many calls as it allows, each purge until it has been taken. */
export class PurgeDelivery {
  readonly #ledger: PurgeLedger
  readonly #log: Logger
  readonly #clock: Clock
  readonly #random: () => number
  readonly #budget: CallBudget
  /** Of purges that are not settled, what the CDN has taken already: it is not told again. */
  readonly #taken = new Map<string, Set<string>>()
  /** Purges of a call that was refused for one of them, nobody knows which: each goes by itself. */
  readonly #alone = new Set<string>()
  /** Calls that the CDN has taken, and that it has not. */
  readonly calls = { done: 0, again: 0, refused: 0 }

  constructor(ledger: PurgeLedger, log: Logger, clock: Clock = systemClock, random: () => number = Math.random) {
    this.#ledger = ledger
    this.#log = log
    this.#clock = clock
    this.#random = random
    this.#budget = new CallBudget(clock)
  }

  /** Delivers what is due. */
  async deliver(target: CdnTarget): Promise<void> {
    const due = await this.#ledger.due(PURGES_AT_ONCE, LEASE_MS)
    if (due.length === 0) return
    /** Of each purge, what its calls have come to so far: the worst counts. */
    const results = new Map<string, PurgeResult>()
    const left = due.map(({ order, attempts }) => {
      const taken = this.#taken.get(order.id)
      const values = order.values.filter((value) => taken?.has(value) !== true)
      return { order: { ...order, values }, attempts }
    })
    const size = (kind: PurgeBatch['kind']) => target.provider.valuesPerCall(kind, target.settings)
    for (const batch of batchesOf(left, size, this.#alone)) {
      const result = this.#apart(batch, await this.#send(batch, target))
      for (const id of batch.ids) {
        results.set(id, worse(results.get(id), result))
        if (result.kind !== 'done') continue
        const taken = this.#taken.get(id) ?? new Set()
        for (const value of batch.values) taken.add(value)
        this.#taken.set(id, taken)
      }
    }
    const changes = due.map((one) => this.#changeOf(one, results.get(one.order.id) ?? { kind: 'done' }))
    for (const { id, againInMs } of changes) {
      if (againInMs !== undefined) continue
      this.#taken.delete(id)
      this.#alone.delete(id)
    }
    await this.#ledger.settle(changes)
  }

  async #send(batch: PurgeBatch, { provider, settings, token }: CdnTarget): Promise<PurgeResult> {
    if (token === undefined) return { kind: 'again', error: `there is no credential for ${settings.provider}` }
    if (!this.#budget.take(settings.callsPerMinute, settings.burst)) return NOT_YET
    const result = await provider.send(batch, settings, token)
    this.calls[result.kind]++
    return result
  }

  /** A call that was refused says nothing of each of its purges. */
  #apart({ ids }: PurgeBatch, result: PurgeResult): PurgeResult {
    if (result.kind !== 'refused' || ids.length === 1) return result
    for (const id of ids) this.#alone.add(id)
    return NOT_YET
  }

  #changeOf({ order, attempts }: DuePurge, result: PurgeResult): DeliveryChange {
    const { id } = order
    const nowMs = this.#clock.wallMs()
    const at = new Date(nowMs).toISOString()
    if (result === NOT_YET) {
      return {
        id,
        delivery: { state: attempts === 0 ? 'waiting' : 'retrying', attempts, at },
        againInMs: FIRST_PAUSE_MS,
      }
    }
    const tried = { attempts: attempts + 1, at }
    if (result.kind === 'done') return { id, delivery: { state: 'delivered', ...tried }, againInMs: undefined }
    const { error } = result
    if (result.kind === 'refused' || nowMs - Date.parse(order.at) > GIVEN_UP_AFTER_MS) {
      this.#log.error({ purge: id, error, attempts: tried.attempts }, 'purge given up: the CDN does not take it')
      return { id, delivery: { state: 'failed', ...tried, error }, againInMs: undefined }
    }
    this.#log.warn({ purge: id, error, attempts: tried.attempts }, 'purge not delivered: it is tried again')
    const pauseMs =
      Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 20), LONGEST_PAUSE_MS) * (0.75 + this.#random() / 2)
    return { id, delivery: { state: 'retrying', ...tried, error }, againInMs: Math.max(pauseMs, result.afterMs ?? 0) }
  }
}

/** Not a try: the CDN allows no more calls for now. */
const NOT_YET: PurgeResult = { kind: 'again', error: 'the CDN allows no more calls for now' }

const SEVERITY = { done: 0, again: 2, refused: 3 }

/** What has been tried counts more than what has not. */
const severityOf = (result: PurgeResult): number => (result === NOT_YET ? 1 : SEVERITY[result.kind])

const worse = (one: PurgeResult | undefined, other: PurgeResult): PurgeResult =>
  one === undefined || severityOf(other) >= severityOf(one) ? other : one

/** Values of many purges in as few calls as can be, each of one kind. */
const batchesOf = (
  due: readonly DuePurge[],
  valuesPerCall: (kind: PurgeBatch['kind']) => number,
  alone: ReadonlySet<string>,
): PurgeBatch[] => {
  const groups = Map.groupBy(due, ({ order }) => `${order.kind} ${order.isSoft} ${alone.has(order.id) ? order.id : ''}`)
  return [...groups.values()].flatMap((purges): PurgeBatch[] => {
    const [
      {
        order: { kind, isSoft },
      } = { order: { kind: 'tag' as const, isSoft: true } },
    ] = purges
    if (kind === 'everything') return [{ kind, isSoft, values: [], ids: purges.map(({ order }) => order.id) }]
    const owners = new Map<string, string[]>()
    for (const { order } of purges) {
      for (const value of order.values) owners.set(value, [...(owners.get(value) ?? []), order.id])
    }
    const values = [...owners.keys()]
    const size = valuesPerCall(kind)
    return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => {
      const part = values.slice(index * size, (index + 1) * size)
      return { kind, isSoft, values: part, ids: [...new Set(part.flatMap((value) => owners.get(value) ?? []))] }
    })
  })
}
