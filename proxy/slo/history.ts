import { addTo, COUNTS_LENGTH, merged, type SparseCounts } from './counts.ts'

/** A ring of slots of time. */
export interface Resolution {
  readonly slotMs: number
  readonly slots: number
}

/** Each event is in all of them. The finest reaches an hour back, the coarsest thirty days. */
export const RESOLUTIONS: readonly Resolution[] = [
  { slotMs: 10_000, slots: 360 },
  { slotMs: 60_000, slots: 360 },
  { slotMs: 300_000, slots: 864 },
  { slotMs: 3_600_000, slots: 720 },
]

/** Clocks that are ahead of ours by less than this count as now. */
const AHEAD_MS = 60_000

/** One series in one slot. */
export interface HistoryKey {
  readonly series: string
  /** Of RESOLUTIONS. */
  readonly resolution: number
  /** Its beginning, in lengths of a slot since 1970. */
  readonly slot: number
}

type Slots = Map<number, SparseCounts>

/** What was counted, by series and slot of time, for as long as each ring reaches. */
export class History {
  readonly #series = new Map<string, readonly Slots[]>()

  get series(): readonly string[] {
    return [...this.#series.keys()]
  }

  get({ series, resolution, slot }: HistoryKey): SparseCounts | undefined {
    return this.#series.get(series)?.[resolution]?.get(slot)
  }

  set({ series, resolution, slot }: HistoryKey, counts: SparseCounts): void {
    this.#slots(series, resolution).set(slot, counts)
  }

  add({ series, resolution, slot }: HistoryKey, counts: SparseCounts): void {
    const slots = this.#slots(series, resolution)
    const known = slots.get(slot)
    slots.set(slot, known === undefined ? counts : merged(known, counts))
  }

  /** Adds what was counted at a time to all rings. */
  addAt(series: string, wallMs: number, counts: SparseCounts): void {
    for (const [resolution, { slotMs }] of RESOLUTIONS.entries())
      this.add({ series, resolution, slot: Math.floor(wallMs / slotMs) }, counts)
  }

  delete({ series, resolution, slot }: HistoryKey): void {
    this.#series.get(series)?.[resolution]?.delete(slot)
  }

  *entries(): Generator<readonly [HistoryKey, SparseCounts]> {
    for (const [series, rings] of this.#series) {
      for (const [resolution, slots] of rings.entries()) {
        for (const [slot, counts] of slots) yield [{ series, resolution, slot }, counts]
      }
    }
  }

  /** Adds a series' counts of the slots from `first` on, up to `last`. */
  sumInto(sums: Float64Array, series: string, { resolution, first, last }: SlotRange, withLatencies: boolean): void {
    const slots = this.#series.get(series)?.[resolution]
    if (slots === undefined) return
    for (let slot = first; slot <= last; slot++) {
      const counts = slots.get(slot)
      if (counts !== undefined) addTo(sums, counts, withLatencies)
    }
  }

  /** Drops what is older than its ring. */
  forget(wallMs: number): void {
    for (const [series, rings] of this.#series) {
      for (const [resolution, { slotMs, slots: length }] of RESOLUTIONS.entries()) {
        const slots = rings[resolution] as Slots
        const first = Math.floor(wallMs / slotMs) - length
        for (const slot of slots.keys()) if (slot < first) slots.delete(slot)
      }
      if (rings.every(({ size }) => size === 0)) this.#series.delete(series)
    }
  }

  #slots(series: string, resolution: number): Slots {
    let rings = this.#series.get(series)
    if (rings === undefined) {
      rings = RESOLUTIONS.map((): Slots => new Map())
      this.#series.set(series, rings)
    }
    return rings[resolution] as Slots
  }
}

/** Slots of one ring. */
export interface SlotRange {
  readonly resolution: number
  readonly first: number
  readonly last: number
}

/** The last slots that a window of time has, the one that is not over yet included: in the finest ring that reaches so far back. */
export const slotsOf = (windowMs: number, wallMs: number): SlotRange => {
  const found = RESOLUTIONS.findIndex(({ slotMs, slots }) => slotMs * slots >= windowMs)
  const resolution = found === -1 ? RESOLUTIONS.length - 1 : found
  const { slotMs, slots } = RESOLUTIONS[resolution] as Resolution
  const now = Math.floor(wallMs / slotMs)
  const first = now - Math.min(slots, Math.ceil(windowMs / slotMs)) + 1
  return { resolution, first, last: Math.floor((wallMs + AHEAD_MS) / slotMs) }
}

export const newSums = (): Float64Array => new Float64Array(COUNTS_LENGTH)
