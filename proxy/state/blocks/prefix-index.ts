/** Words of 32 bits, the first ones first: one of IPv4, four of IPv6, of which unused ones are 0. */
export interface AddressWords {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
}

export type PrefixHash = (a: number, b: number, c: number, d: number, bits: number, seed: number) => number

const SEGMENTS = 256
const FIRST_SLOTS = 8
/** Of the slots of a segment; above it there are twice as many. */
const FULL_SHARE = 0.7
/** A slot is a mark of 8 bits, so that few keys are looked at in vain, and a number of 24; 0 where it is empty. */
const ID_BITS = 24
const ID_MASK = (1 << ID_BITS) - 1
const CHUNK_BITS = 15
const CHUNK = 1 << CHUNK_BITS
/** In the place of the length, where a number has no prefix. */
const FREE = 255
/** A row of a prefix: its length, what its owner notes, its words. What one look-up needs lies side by side. */
const [BITS, NOTE, WORDS] = [0, 1, 2]

interface Segment {
  slots: Uint32Array
  used: number
}

/**
 * Which prefixes there are, each with a small number of its own, under which others may keep what they know of it. A hash
 * table with open addressing in 256 segments: each grows by itself, so that no call waits for all to be moved, and what is
 * removed leaves no gap behind.
 */
export class PrefixIndex {
  readonly #words: 1 | 4
  readonly #rowWords: number
  readonly #seed: number
  /** In tests, one that collides. */
  readonly #hash: PrefixHash | undefined
  readonly #segments: Segment[] = Array.from({ length: SEGMENTS }, () => ({
    slots: new Uint32Array(FIRST_SLOTS),
    used: 0,
  }))
  readonly #rows: Int32Array[] = []
  readonly #free: number[] = []
  #idsEnd = 0
  #size = 0

  /** @param seed secret: whoever knew it could choose addresses that collide */
  constructor(words: 1 | 4, seed: number, hash?: PrefixHash) {
    this.#words = words
    this.#rowWords = WORDS + words
    this.#seed = seed
    this.#hash = hash
  }

  get size(): number {
    return this.#size
  }

  /** All numbers are below this. */
  get idsEnd(): number {
    return this.#idsEnd
  }

  /** The number of the prefix of so many bits of an address; -1 for none. */
  find(address: AddressWords, bits: number): number {
    const a = masked(address.a, bits)
    const b = masked(address.b, bits - 32)
    const c = masked(address.c, bits - 64)
    const d = masked(address.d, bits - 96)
    const hash = this.#hashOf(a, b, c, d, bits)
    const { slots } = this.#segments[hash >>> 24] as Segment
    const last = slots.length - 1
    const mark = markOf(hash)
    for (let at = hash & last; ; at = (at + 1) & last) {
      const slot = slots[at] as number
      if (slot === 0) return -1
      if (slot >>> ID_BITS === mark && this.#is(slot & ID_MASK, a, b, c, d, bits)) return slot & ID_MASK
    }
  }

  /** @returns the number that it has from now on. @throws RangeError where there are 16 million */
  add(address: AddressWords, bits: number): number {
    const known = this.find(address, bits)
    if (known !== -1) return known
    const id = this.#free.pop() ?? this.#idsEnd++
    if (id > ID_MASK) throw new RangeError('there are too many prefixes')
    if (id >>> CHUNK_BITS === this.#rows.length) {
      const rows = new Int32Array(CHUNK * this.#rowWords)
      for (let at = BITS; at < rows.length; at += this.#rowWords) rows[at] = FREE
      this.#rows.push(rows)
    }
    const rows = this.#rowsOf(id)
    const row = this.#rowOf(id)
    rows[row + BITS] = bits
    rows[row + NOTE] = 0
    rows[row + WORDS] = masked(address.a, bits)
    if (this.#words === 4) {
      rows[row + WORDS + 1] = masked(address.b, bits - 32)
      rows[row + WORDS + 2] = masked(address.c, bits - 64)
      rows[row + WORDS + 3] = masked(address.d, bits - 96)
    }
    const hash = this.#hashAt(id)
    const segment = this.#segments[hash >>> 24] as Segment
    if (segment.used >= segment.slots.length * FULL_SHARE) this.#grow(segment)
    insert(segment.slots, hash, id)
    segment.used++
    this.#size++
    return id
  }

  remove(id: number): void {
    const hash = this.#hashAt(id)
    const segment = this.#segments[hash >>> 24] as Segment
    const { slots } = segment
    const last = slots.length - 1
    let gap = hash & last
    while (((slots[gap] as number) & ID_MASK) !== id || slots[gap] === 0) gap = (gap + 1) & last
    // What stands behind it and may stand here moves up: a search must not end before it.
    for (let at = (gap + 1) & last; slots[at] !== 0; at = (at + 1) & last) {
      const home = this.#hashAt((slots[at] as number) & ID_MASK) & last
      if (((at - home) & last) < ((at - gap) & last)) continue
      slots[gap] = slots[at] as number
      gap = at
    }
    slots[gap] = 0
    segment.used--
    this.#rowsOf(id)[this.#rowOf(id) + BITS] = FREE
    this.#free.push(id)
    this.#size--
  }

  /** Undefined for a number that no prefix has. */
  at(id: number): { readonly words: AddressWords; readonly bits: number } | undefined {
    if (id >= this.#idsEnd) return undefined
    const rows = this.#rowsOf(id)
    const row = this.#rowOf(id)
    const bits = rows[row + BITS] as number
    if (bits === FREE) return undefined
    const word = (index: number) => (index < this.#words ? (rows[row + WORDS + index] as number) : 0)
    return { words: { a: word(0), b: word(1), c: word(2), d: word(3) }, bits }
  }

  /** 32 bits that lie beside the key; 0 at first. */
  note(id: number): number {
    return (this.#rowsOf(id)[this.#rowOf(id) + NOTE] as number) >>> 0
  }

  setNote(id: number, note: number): void {
    this.#rowsOf(id)[this.#rowOf(id) + NOTE] = note
  }

  #rowsOf(id: number): Int32Array {
    return this.#rows[id >>> CHUNK_BITS] as Int32Array
  }

  #rowOf(id: number): number {
    return (id & (CHUNK - 1)) * this.#rowWords
  }

  #is(id: number, a: number, b: number, c: number, d: number, bits: number): boolean {
    const rows = this.#rowsOf(id)
    const row = this.#rowOf(id)
    if (rows[row + BITS] !== bits || rows[row + WORDS] !== a) return false
    return (
      this.#words === 1 || (rows[row + WORDS + 1] === b && rows[row + WORDS + 2] === c && rows[row + WORDS + 3] === d)
    )
  }

  #hashAt(id: number): number {
    const rows = this.#rowsOf(id)
    const row = this.#rowOf(id)
    const [bits, a] = [rows[row + BITS] as number, rows[row + WORDS] as number]
    if (this.#words === 1) return this.#hashOf(a, 0, 0, 0, bits)
    const [b, c, d] = [
      rows[row + WORDS + 1] as number,
      rows[row + WORDS + 2] as number,
      rows[row + WORDS + 3] as number,
    ]
    return this.#hashOf(a, b, c, d, bits)
  }

  #hashOf(a: number, b: number, c: number, d: number, bits: number): number {
    if (this.#hash !== undefined) return this.#hash(a, b, c, d, bits, this.#seed)
    return mixed(a, b, c, d, bits, this.#seed)
  }

  #grow(segment: Segment): void {
    const slots = new Uint32Array(segment.slots.length * 2)
    for (const slot of segment.slots) if (slot !== 0) insert(slots, this.#hashAt(slot & ID_MASK), slot & ID_MASK)
    segment.slots = slots
  }
}

const insert = (slots: Uint32Array, hash: number, id: number): void => {
  const last = slots.length - 1
  let at = hash & last
  while (slots[at] !== 0) at = (at + 1) & last
  slots[at] = (markOf(hash) << ID_BITS) | id
}

/** Of bits that say neither which segment nor, where that is small, which slot. */
const markOf = (hash: number): number => (hash >>> 16) & 255 || 1

/** The first bits of a word, the others 0: a shift by 32 is one by 0 in JavaScript. */
const masked = (word: number, bits: number): number => (bits >= 32 ? word : bits <= 0 ? 0 : word & (-1 << (32 - bits)))

/** The finaliser of MurmurHash3 for each word in turn. */
const mixed: PrefixHash = (a, b, c, d, bits, seed) => {
  let hash = mix(seed ^ bits ^ a)
  if ((b | c | d) !== 0) {
    hash = mix(hash ^ b)
    if ((c | d) !== 0) hash = mix(mix(hash ^ c) ^ d)
  }
  return hash
}

const mix = (word: number): number => {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
