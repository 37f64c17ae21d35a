import { maskedWord } from './address-words.ts'

/** Each grows by itself, so that no call waits for a million rows to be moved. */
const SEGMENTS = 256
const FIRST_SLOTS = 8
/** Of the slots of a segment; above it there are half as many again. */
const FULL_SHARE = 0.6
const GROWTH = 1.5
/** A place is a segment and a slot of it. */
const SLOT_BITS = 16
const SLOTS_LIMIT = 1 << SLOT_BITS
/** A row: one more than the number (24 bits) and the length (8 bits), what its owner notes, the words of the prefix. 0: free */
const [META, NOTE, WORDS] = [0, 1, 2]

/**
 * A hash table of prefixes with open addressing. What is known of one lies side by side, in 16 bytes (up to 64 bits) or 32:
 * to find it is one read of memory. What is removed leaves no gap.
 */
export class PrefixSlots {
  readonly #wordsEach: number
  readonly #rowShift: number
  readonly #hashOf: (words: Int32Array, bits: number) => number
  readonly #rows: Int32Array[]
  readonly #used = new Uint32Array(SEGMENTS)
  /** Of a row whose hash is asked for. */
  readonly #words = new Int32Array(5)

  /**
   * @param wordsEach of the longest prefix
   * @param hashOf what the first bits of an address are found by; what is behind them does not count
   */
  constructor(wordsEach: 2 | 4, hashOf: (words: Int32Array, bits: number) => number) {
    this.#wordsEach = wordsEach
    this.#rowShift = wordsEach === 2 ? 2 : 3
    this.#hashOf = hashOf
    this.#rows = Array.from({ length: SEGMENTS }, () => new Int32Array(FIRST_SLOTS << this.#rowShift))
  }

  /** The place of the prefix of the first bits of an address, good until the next change; -1 for none. */
  find(hash: number, address: Int32Array, bits: number): number {
    const segment = hash >>> 24
    const rows = this.#rows[segment] as Int32Array
    const slots = rows.length >>> this.#rowShift
    for (let slot = homeOf(hash, slots); ; ) {
      const row = slot << this.#rowShift
      const meta = rows[row + META] as number
      if (meta === 0) return -1
      if ((meta & 255) === bits && this.#is(rows, row, address, bits)) return (segment << SLOT_BITS) | slot
      if (++slot === slots) slot = 0
    }
  }

  id(place: number): number {
    return ((this.#rowsOf(place)[this.#rowOf(place) + META] as number) >>> 8) - 1
  }

  note(place: number): number {
    return (this.#rowsOf(place)[this.#rowOf(place) + NOTE] as number) >>> 0
  }

  setNote(place: number, note: number): void {
    this.#rowsOf(place)[this.#rowOf(place) + NOTE] = note
  }

  /** One that is not there. @param words masked */
  insert(hash: number, words: Int32Array, bits: number, id: number, note: number): void {
    const segment = hash >>> 24
    const used = (this.#used[segment] as number) + 1
    if (used > ((this.#rows[segment] as Int32Array).length >>> this.#rowShift) * FULL_SHARE) this.#grow(segment)
    this.#used[segment] = used
    const rows = this.#rows[segment] as Int32Array
    const row = this.#freeRow(rows, hash)
    rows[row + META] = ((id + 1) << 8) | bits
    rows[row + NOTE] = note
    for (let at = 0; at < this.#wordsEach; at++) rows[row + WORDS + at] = words[at] as number
  }

  remove(place: number): void {
    const segment = place >>> SLOT_BITS
    const rows = this.#rows[segment] as Int32Array
    const shift = this.#rowShift
    const slots = rows.length >>> shift
    const behind = (slot: number, from: number) => (slot >= from ? slot - from : slot - from + slots)
    let gap = place & (SLOTS_LIMIT - 1)
    // What stands behind it and may stand here moves up: a search must not end before it.
    for (let slot = (gap + 1) % slots; rows[(slot << shift) + META] !== 0; slot = (slot + 1) % slots) {
      const home = homeOf(this.#hashAt(rows, slot << shift), slots)
      if (behind(slot, home) < behind(slot, gap)) continue
      rows.copyWithin(gap << shift, slot << shift, (slot + 1) << shift)
      gap = slot
    }
    rows[(gap << shift) + META] = 0
    this.#used[segment] = (this.#used[segment] as number) - 1
  }

  #rowsOf(place: number): Int32Array {
    return this.#rows[place >>> SLOT_BITS] as Int32Array
  }

  #rowOf(place: number): number {
    return (place & (SLOTS_LIMIT - 1)) << this.#rowShift
  }

  #is(rows: Int32Array, row: number, address: Int32Array, bits: number): boolean {
    for (let at = 0; at < this.#wordsEach; at++) {
      if (rows[row + WORDS + at] !== maskedWord(address[at] as number, bits - at * 32)) return false
    }
    return true
  }

  #hashAt(rows: Int32Array, row: number): number {
    for (let at = 0; at < this.#wordsEach; at++) this.#words[at] = rows[row + WORDS + at] as number
    return this.#hashOf(this.#words, (rows[row + META] as number) & 255)
  }

  #freeRow(rows: Int32Array, hash: number): number {
    const slots = rows.length >>> this.#rowShift
    let slot = homeOf(hash, slots)
    while (rows[(slot << this.#rowShift) + META] !== 0) slot = slot + 1 === slots ? 0 : slot + 1
    return slot << this.#rowShift
  }

  #grow(segment: number): void {
    const before = this.#rows[segment] as Int32Array
    const each = 1 << this.#rowShift
    const slots = Math.min(Math.ceil((before.length / each) * GROWTH), SLOTS_LIMIT)
    const rows = new Int32Array(slots * each)
    for (let row = 0; row < before.length; row += each) {
      if (before[row + META] === 0) continue
      const to = this.#freeRow(rows, this.#hashAt(before, row))
      for (let at = 0; at < each; at++) rows[to + at] = before[row + at] as number
    }
    this.#rows[segment] = rows
  }
}

/** Where a search begins: 16 bits of the hash, spread over a segment of any length. */
const homeOf = (hash: number, slots: number): number => Math.imul(hash & (SLOTS_LIMIT - 1), slots) >>> SLOT_BITS
