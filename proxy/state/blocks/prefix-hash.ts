/** Spreads a word of 32 bits over all of them. */
export type Mix = (word: number) => number

/** Tells what prefixes have in common from a prefix of these bits. */
const OF_BYTE = 0x5bd1_e995

/**
 * The hash of the first bits of an address: its whole words of 32 bits one after the other, and last of all the bits behind
 * them. So those of all prefixes of one address have most of their work in common.
 */
export class PrefixHash {
  readonly #seed: number
  readonly #mix: Mix

  /**
   * @param seed secret: whoever knew it could choose addresses that collide
   * @param mix in tests, one that collides
   */
  constructor(seed: number, mix: Mix = murmurMix) {
    this.#seed = seed
    this.#mix = mix
  }

  /** What comes before each word, up to the last that is asked for. */
  beforeWords(words: Int32Array, last: number, into: Int32Array): void {
    into[0] = this.#seed
    for (let at = 0; at < last; at++) into[at + 1] = this.#mix((into[at] as number) ^ (words[at] as number))
  }

  /** @param before see {@link beforeWords}. @param word which the prefix ends in, behind `bits` of it */
  ofPrefix(before: number, word: number, bits: number): number {
    return this.#mix(before ^ firstBits(word, bits))
  }

  /** What prefixes have in common that end behind the same whole bytes. */
  ofByte(before: number, word: number, bits: number): number {
    return this.#mix(before ^ firstBits(word, bits) ^ OF_BYTE)
  }
}

/** Behind a 1, which tells how many there are; fewer than 32. */
const firstBits = (word: number, bits: number): number => (1 << bits) | ((word >>> 1) >>> (31 - bits))

/** The finaliser of MurmurHash3. */
const murmurMix: Mix = (word) => {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
