import type { Delivery, PurgeOrder, PurgeReport } from './purge-order.ts'

/** A purge that is to be told to the CDN now. */
export interface DuePurge {
  readonly order: PurgeOrder
  /** How often it has been tried. */
  readonly attempts: number
}

/** What a purge's delivery has come to, and when it is to be tried again; undefined for never. */
export interface DeliveryChange {
  readonly id: string
  readonly delivery: Delivery
  readonly againInMs: number | undefined
}

/** Purges that are new to an instance. */
export interface PurgeNews {
  readonly orders: readonly Pick<PurgeOrder, 'kind' | 'values'>[]
  /** Of the last one that has been told by now. */
  readonly number: number
  /** Whether some may have been missed: then all that was kept before is to go. */
  readonly hasGap: boolean
  /** Whether that is as Redis does not know them any more. */
  readonly isLoss: boolean
}

/** The last purges, in turn. */
export interface LatestPurges {
  /** Of the last of all. */
  readonly number: number
  readonly orders: readonly Pick<PurgeOrder, 'kind' | 'values'>[]
}

/**
 * What has been purged, and what is still to be: in Redis for a fleet, so that no restart loses a purge that was accepted; in memory
 * for a proxy by itself. Undefined, or false, where Redis cannot be asked.
 */
export interface PurgeLedger {
  /** @param isDelivered whether there is a CDN to be told. @returns whether it is accepted */
  accept(order: PurgeOrder, isDelivered: boolean): Promise<boolean>
  /** What has been accepted since this instance asked last. To ask says that all that was told then has been carried out. */
  news(): Promise<PurgeNews | undefined>
  /** The last ones, as many as there are without a gap. */
  latest(limit: number): Promise<LatestPurges | undefined>
  report(id: string): Promise<PurgeReport | 'unknown' | undefined>
  /** Those to be delivered now, the first first; they are not given to another one for so long. */
  due(limit: number, leaseMs: number): Promise<readonly DuePurge[]>
  settle(changes: readonly DeliveryChange[]): Promise<boolean>
  /** `listener` is told when there may be news. @returns what ends it */
  onNews(listener: () => void): () => void
  close(): Promise<void>
}
