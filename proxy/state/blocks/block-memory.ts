import type { Block } from './block.ts'
import { type BlockEntry, blockText, type Unblocked, unblockedText } from './block-entry.ts'
import { BlockTable } from './block-table.ts'

/** A change that Redis has not confirmed yet. */
export interface Untold {
  readonly range: string
  /** `set`: it takes the place of whatever there is. `keep`: a block that ends later stays. */
  readonly mode: 'set' | 'keep'
  readonly entry: string
  readonly forgetAtMs: number
}

/** So long is an unblock remembered. */
const UNBLOCKED_LIFE_MS = 24 * 3_600_000
/** Of each kind that is remembered beside the table. */
const REMEMBERED_LIMIT = 200_000

/**
 * What this instance knows of blocks, and what of it others may not know yet. A change holds here at once; what Redis says
 * of a range counts, but that of a block made here and not told yet the later end survives.
 */
export class BlockMemory {
  readonly table = new BlockTable()
  readonly #unblocked = new Map<string, Unblocked & { readonly forgetAtMs: number }>()
  readonly #untold = new Map<string, Untold>()
  /** How many changes were given up as there were too many to tell. */
  dropped = 0

  get untold(): number {
    return this.#untold.size
  }

  isUntold(range: string): boolean {
    return this.#untold.has(range)
  }

  /** The stamp of the range's last unblock, where it is remembered; else 0. */
  unblockStamp(range: string): number {
    return this.#unblocked.get(range)?.stamp ?? 0
  }

  /** @returns what is to be told; undefined where a block that lasts longer stays */
  block(given: Omit<Block, 'stamp'>, mode: 'set' | 'keep', nowMs: number): Untold | undefined {
    const known = this.table.get(given.range)
    if (mode === 'keep' && known !== undefined && known.untilMs > Math.max(nowMs, given.untilMs)) return undefined
    const stamp = Math.max(
      Math.round(nowMs),
      (known?.stamp ?? 0) + 1,
      (this.#unblocked.get(given.range)?.stamp ?? 0) + 1,
    )
    const block = { ...given, stamp }
    this.table.set(block)
    this.#unblocked.delete(given.range)
    return this.#tell({ range: block.range, mode, entry: blockText(block), forgetAtMs: block.forgetAtMs })
  }

  /** @returns what is to be told, and the block that there was; undefined where there was none */
  unblock(range: string, nowMs: number): { readonly block: Block; readonly untold: Untold } | undefined {
    const block = this.table.get(range)
    if (block === undefined) return undefined
    this.table.delete(range)
    const unblocked = { range, stamp: Math.max(Math.round(nowMs), block.stamp + 1), seenStamp: block.stamp }
    const forgetAtMs = nowMs + UNBLOCKED_LIFE_MS
    this.#rememberUnblocked(unblocked, forgetAtMs)
    return { block, untold: this.#tell({ range, mode: 'keep', entry: unblockedText(unblocked), forgetAtMs }) }
  }

  /** What Redis has of a range. */
  learn(entry: BlockEntry, nowMs: number): void {
    if (entry.kind === 'block') this.#learnBlock(entry.block, nowMs)
    else this.#learnUnblocked(entry.unblocked, nowMs)
  }

  /** As many as there are to be told, at most. */
  nextUntold(limit: number): Untold[] {
    return this.#untold.values().take(limit).toArray()
  }

  /** Redis has confirmed it, unless it has been changed again meanwhile. */
  told(change: Untold): void {
    if (this.#untold.get(change.range) === change) this.#untold.delete(change.range)
  }

  /** It is unknown whether Redis has it: told again, it must not undo what has come meanwhile. */
  untoldStill(change: Untold): void {
    if (this.#untold.get(change.range) === change) this.#untold.set(change.range, { ...change, mode: 'keep' })
  }

  /** For a Redis that has lost it: some of what is known here, from `cursor` on. */
  tellAgain(cursor: number, limit: number): { readonly changes: readonly Untold[]; readonly next: number | undefined } {
    const { blocks, next } = this.table.page(cursor, limit)
    const changes = blocks.map(
      (block): Untold => ({ range: block.range, mode: 'keep', entry: blockText(block), forgetAtMs: block.forgetAtMs }),
    )
    return { changes, next }
  }

  tellUnblockedAgain(): void {
    for (const { forgetAtMs, ...unblocked } of this.#unblocked.values()) {
      if (this.#untold.has(unblocked.range)) continue
      this.#tell({ range: unblocked.range, mode: 'keep', entry: unblockedText(unblocked), forgetAtMs })
    }
  }

  /** Forgets what may be forgotten, looking at so many of each kind. */
  sweep(nowMs: number, limit: number): void {
    this.table.sweep(nowMs, limit)
    for (const [range, { forgetAtMs }] of this.#unblocked) {
      if (forgetAtMs > nowMs) break // about in the order in which they came
      this.#unblocked.delete(range)
    }
  }

  #learnBlock(block: Block, nowMs: number): void {
    const { range, stamp, untilMs } = block
    if (this.#untold.has(range)) {
      const unblocked = this.#unblocked.get(range)
      if (unblocked !== undefined && stamp <= unblocked.seenStamp) return
      const known = this.table.get(range)
      if (known !== undefined && known.untilMs >= untilMs) return
    }
    this.#unblocked.delete(range)
    if (block.forgetAtMs > nowMs) this.table.set(block)
    else this.table.delete(range)
  }

  #learnUnblocked(unblocked: Unblocked, nowMs: number): void {
    const { range, seenStamp } = unblocked
    const known = this.table.get(range)
    if (known !== undefined && this.#untold.has(range) && known.stamp > seenStamp) return
    this.table.delete(range)
    this.#rememberUnblocked(unblocked, nowMs + UNBLOCKED_LIFE_MS)
  }

  #rememberUnblocked(unblocked: Unblocked, forgetAtMs: number): void {
    this.#unblocked.delete(unblocked.range)
    this.#unblocked.set(unblocked.range, { ...unblocked, forgetAtMs })
    const [oldest] = this.#unblocked.keys()
    if (this.#unblocked.size > REMEMBERED_LIMIT && oldest !== undefined) this.#unblocked.delete(oldest)
  }

  #tell(change: Untold): Untold {
    this.#untold.delete(change.range) // so that it is the youngest
    this.#untold.set(change.range, change)
    const [oldest] = this.#untold.keys()
    if (this.#untold.size > REMEMBERED_LIMIT && oldest !== undefined) {
      this.#untold.delete(oldest)
      this.dropped++
    }
    return change
  }
}
