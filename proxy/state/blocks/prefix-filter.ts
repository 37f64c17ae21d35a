/** Of a filter; there are four times as many from one size to the next. */
const FEWEST_WORDS = 1 << 13
const GROWTH = 4
/** Prefixes for each word: each has two hashes and these two bits, so that a quarter of all bits are set. */
const FULL = 2
/** What so many that have been removed have left behind is not worth a new filter, nor that of half as many as there are. */
const STALE = 4_096
/** How many are added to a new filter with each change. */
const STEP = 8

interface Bits {
  readonly words: Int32Array
  /** What makes of a hash the number of a word. */
  readonly shift: number
}

/**
 * A Bloom filter: says of nearly all hashes that were not added that they were not, and never misses one that was. Both bits
 * of a hash are in one word, so that a question is one read; a million prefixes take 2 MiB, so that it is one out of the
 * processor's cache. It has no room for a count beside each bit: what is removed stays, until too much has been, or there
 * is too little room. Then there is a new one, to which some of those that there are are added with each change: no call
 * waits for all of them.
 */
export class PrefixFilter {
  readonly #addAgain: (id: number, add: (hash: number) => void) => void
  #bits = newBits(FEWEST_WORDS)
  #next: { readonly bits: Bits; readonly add: (hash: number) => void; idsDone: number } | undefined
  #stale = 0

  /** @param addAgain calls `add` for each hash of a prefix, if there is one of this number */
  constructor(addAgain: (id: number, add: (hash: number) => void) => void) {
    this.#addAgain = addAgain
  }

  /** 1 where the hash may have been added; without a branch, so that many questions wait for memory together. */
  has(hash: number): number {
    const { words, shift } = this.#bits
    const word = words[hash >>> shift] as number
    return (word >>> (hash & 31)) & (word >>> ((hash >>> 5) & 31)) & 1
  }

  add(hash: number): void {
    addTo(this.#bits, hash)
    this.#next?.add(hash)
  }

  /** To be called when a prefix has been added or removed. @param idsEnd all numbers of prefixes are below it */
  changed(by: 1 | -1, size: number, idsEnd: number): void {
    if (by === -1) this.#stale++
    if (this.#next === undefined) {
      if (size <= this.#bits.words.length * FULL && this.#stale <= size / 2 + STALE) return
      const bits = newBits(wordsFor(size))
      this.#next = { bits, add: (hash) => addTo(bits, hash), idsDone: 0 }
      this.#stale = 0
    }
    const next = this.#next
    const end = Math.min(next.idsDone + STEP, idsEnd)
    while (next.idsDone < end) this.#addAgain(next.idsDone++, next.add)
    if (end < idsEnd) return
    this.#bits = next.bits
    this.#next = undefined
  }
}

const wordsFor = (prefixes: number): number => {
  let words = FEWEST_WORDS
  while (prefixes > words * FULL) words *= GROWTH
  return words
}

const newBits = (words: number): Bits => ({ words: new Int32Array(words), shift: Math.clz32(words) + 1 })

const addTo = ({ words, shift }: Bits, hash: number): void => {
  const at = hash >>> shift
  words[at] = (words[at] as number) | (1 << (hash & 31)) | (1 << ((hash >>> 5) & 31))
}
