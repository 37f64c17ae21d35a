import { maskedWord } from './address-words.ts'

const SEGMENTS = 256
const FIRST_SLOTS = 8
/** Of the slots of a segment; above it there are half as many again. */
const FULL_SHARE = 0.6
const GROWTH = 1.5
/** A place is a segment and a slot of it. */
const SLOT_BITS = 16
const SLOTS_LIMIT = 1 << SLOT_BITS
/** A bit for each way in which the segment and the beginning of a search can come out. */
const FILTER_WORDS = (SEGMENTS * SLOTS_LIMIT) / 32
/** A row: the number (24 bits) and the length (8 bits), what its owner notes, the words of the prefix. */
const [META, NOTE, WORDS] = [0, 1, 2]

/**
 * A hash table of prefixes with open addressing. One bit of 2 MiB of bits says of nearly all that is not there that it is
 * not: such questions are many, do not wait for one another, and are answered out of the processor's cache. A byte for
 * each slot, 0 where it is empty, says it of nearly all others; what is known of one that is there lies side by side. It
 * is in 256 segments: each grows by itself, so that no call waits for all to be moved. What is removed leaves no gap.
 */
export class PrefixSlots {
  readonly #wordsEach: number
  readonly #rowWords: number
  readonly #hashOf: (words: Int32Array, bits: number) => number
  readonly #marks: Uint8Array[]
  readonly #rows: Int32Array[]
  readonly #used = new Uint32Array(SEGMENTS)
  readonly #filter = new Int32Array(FILTER_WORDS)
  /** Of a row whose hash is asked for. */
  readonly #words: Int32Array

  /** @param hashOf what the first bits of an address are found by; what is behind them does not count */
  constructor(wordsEach: number, hashOf: (words: Int32Array, bits: number) => number) {
    this.#wordsEach = wordsEach
    this.#rowWords = WORDS + wordsEach
    this.#hashOf = hashOf
    this.#words = new Int32Array(wordsEach)
    this.#marks = Array.from({ length: SEGMENTS }, () => new Uint8Array(FIRST_SLOTS))
    this.#rows = Array.from({ length: SEGMENTS }, () => new Int32Array(FIRST_SLOTS * this.#rowWords))
  }

  /** 1 where there may be a prefix of this hash; 0 for nearly all hashes that none has. */
  filtered(hash: number): number {
    return ((this.#filter[filterWordOf(hash)] as number) >>> (hash & 31)) & 1
  }

  /** The place of the prefix of the first bits of an address, good until the next change; -1 for none. */
  find(hash: number, address: Int32Array, bits: number): number {
    const segment = hash >>> 24
    const marks = this.#marks[segment] as Uint8Array
    const mark = markOf(hash)
    for (let slot = homeOf(hash, marks.length); ; ) {
      const found = marks[slot] as number
      if (found === 0) return -1
      if (found === mark && this.#is(segment, slot, address, bits)) return (segment << SLOT_BITS) | slot
      if (++slot === marks.length) slot = 0
    }
  }

  id(place: number): number {
    const row = (place & (SLOTS_LIMIT - 1)) * this.#rowWords
    return ((this.#rows[place >>> SLOT_BITS] as Int32Array)[row + META] as number) >>> 8
  }

  note(place: number): number {
    const row = (place & (SLOTS_LIMIT - 1)) * this.#rowWords
    return ((this.#rows[place >>> SLOT_BITS] as Int32Array)[row + NOTE] as number) >>> 0
  }

  setNote(place: number, note: number): void {
    const row = (place & (SLOTS_LIMIT - 1)) * this.#rowWords
    ;(this.#rows[place >>> SLOT_BITS] as Int32Array)[row + NOTE] = note
  }

  /** One that is not there. @param words masked */
  insert(hash: number, words: Int32Array, bits: number, id: number, note: number): void {
    const segment = hash >>> 24
    const used = (this.#used[segment] as number) + 1
    if (used > (this.#marks[segment] as Uint8Array).length * FULL_SHARE) this.#grow(segment)
    const rows = this.#rows[segment] as Int32Array
    const row = takeSlot(this.#marks[segment] as Uint8Array, hash) * this.#rowWords
    rows[row + META] = (id << 8) | bits
    rows[row + NOTE] = note
    for (let at = 0; at < this.#wordsEach; at++) rows[row + WORDS + at] = words[at] as number
    this.#used[segment] = used
    const word = filterWordOf(hash)
    this.#filter[word] = (this.#filter[word] as number) | (1 << (hash & 31))
  }

  remove(place: number, hash: number): void {
    const segment = place >>> SLOT_BITS
    const marks = this.#marks[segment] as Uint8Array
    const rows = this.#rows[segment] as Int32Array
    const end = marks.length
    const behind = (slot: number, from: number) => (slot >= from ? slot - from : slot - from + end)
    let gap = place & (SLOTS_LIMIT - 1)
    // What stands behind it and may stand here moves up: a search must not end before it.
    for (let slot = (gap + 1) % end; marks[slot] !== 0; slot = (slot + 1) % end) {
      const home = homeOf(this.#hashAt(rows, slot), end)
      if (behind(slot, home) < behind(slot, gap)) continue
      marks[gap] = marks[slot] as number
      rows.copyWithin(gap * this.#rowWords, slot * this.#rowWords, (slot + 1) * this.#rowWords)
      gap = slot
    }
    marks[gap] = 0
    this.#used[segment] = (this.#used[segment] as number) - 1
    if (!this.#hasLike(hash)) {
      const word = filterWordOf(hash)
      this.#filter[word] = (this.#filter[word] as number) & ~(1 << (hash & 31))
    }
  }

  /** Whether any has the same bit of the filter: it began its search at the same slot. */
  #hasLike(hash: number): boolean {
    const marks = this.#marks[hash >>> 24] as Uint8Array
    const rows = this.#rows[hash >>> 24] as Int32Array
    for (let slot = homeOf(hash, marks.length); marks[slot] !== 0; slot = (slot + 1) % marks.length) {
      if (((this.#hashAt(rows, slot) ^ hash) & 0xffff) === 0) return true
    }
    return false
  }

  #is(segment: number, slot: number, address: Int32Array, bits: number): boolean {
    const rows = this.#rows[segment] as Int32Array
    const row = slot * this.#rowWords
    if (((rows[row + META] as number) & 255) !== bits) return false
    for (let at = 0; at < this.#wordsEach; at++) {
      if (rows[row + WORDS + at] !== maskedWord(address[at] as number, bits - at * 32)) return false
    }
    return true
  }

  #hashAt(rows: Int32Array, slot: number): number {
    const row = slot * this.#rowWords
    for (let at = 0; at < this.#wordsEach; at++) this.#words[at] = rows[row + WORDS + at] as number
    return this.#hashOf(this.#words, (rows[row + META] as number) & 255)
  }

  #grow(segment: number): void {
    const before = { marks: this.#marks[segment] as Uint8Array, rows: this.#rows[segment] as Int32Array }
    const length = Math.min(Math.ceil(before.marks.length * GROWTH), SLOTS_LIMIT)
    const marks = new Uint8Array(length)
    const rows = new Int32Array(length * this.#rowWords)
    for (let slot = 0; slot < before.marks.length; slot++) {
      if (before.marks[slot] === 0) continue
      const row = slot * this.#rowWords
      const to = takeSlot(marks, this.#hashAt(before.rows, slot)) * this.#rowWords
      for (let at = 0; at < this.#rowWords; at++) rows[to + at] = before.rows[row + at] as number
    }
    this.#marks[segment] = marks
    this.#rows[segment] = rows
  }
}

const filterWordOf = (hash: number): number => ((hash >>> 24) << (SLOT_BITS - 5)) | ((hash & 0xffff) >>> 5)

/** Where a search begins: 16 bits of the hash, spread over a segment of any length. */
const homeOf = (hash: number, length: number): number => Math.imul(hash & 0xffff, length) >>> 16

/** Of bits that say neither which segment nor which slot. */
const markOf = (hash: number): number => (hash >>> 16) & 255 || 1

const takeSlot = (marks: Uint8Array, hash: number): number => {
  let slot = homeOf(hash, marks.length)
  while (marks[slot] !== 0) slot = slot + 1 === marks.length ? 0 : slot + 1
  marks[slot] = markOf(hash)
  return slot
}
