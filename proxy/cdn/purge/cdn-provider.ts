import type { Policy } from '../../state/policy/schema.ts'
import type { PurgeKind } from './purge-order.ts'

export type PurgeSettings = Policy['cdn']['purge']

/** What goes to a CDN in one call. */
export interface PurgeBatch {
  readonly kind: PurgeKind
  /** None for `everything`; no more than the provider takes at once. */
  readonly values: readonly string[]
  readonly isSoft: boolean
  /** Of the purges that it is for, for whoever takes each once. */
  readonly ids: readonly string[]
}

/**
 * - `done`     the CDN has taken it
 * - `again`    it may take it later
 * - `refused`  it never will
 */
export type PurgeResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'again'; readonly error: string; readonly afterMs?: number | undefined }
  | { readonly kind: 'refused'; readonly error: string }

export interface CdnProvider {
  /** Values of one call. */
  valuesPerCall(kind: PurgeKind, settings: PurgeSettings): number
  /** What of a purge it cannot do, with the remedy; undefined where it can do it. */
  problemOf(kind: PurgeKind, values: readonly string[]): string | undefined
  /** @param token its credential. Never rejects: whatever fails is told */
  send(batch: PurgeBatch, settings: PurgeSettings, token: string): Promise<PurgeResult>
}
