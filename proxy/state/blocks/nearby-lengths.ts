import { type AddressWords, type PrefixHash, PrefixIndex } from './prefix-index.ts'

/**
 * Which lengths of prefix there may be among those that cover an address: a look-up asks for these alone, and so costs by
 * what is near the address, not by how many blocks there are.
 */
export interface NearbyLengths {
  add(words: AddressWords, bits: number): void
  remove(words: AddressWords, bits: number): void
  /**
   * Writes those of one depth to `into`; there may be some that do not cover it. To be asked for depth 0, 1, … in turn: whoever has
   * found what it looks for needs no more.
   *
   * @returns how many; -1 where there is nothing so deep
   */
  of(words: AddressWords, depth: number, into: Uint8Array): number
}

/** How many prefixes there are of each short length. */
class ShortLengths {
  readonly #counts: Uint32Array
  /** Those of which there are any. */
  #present: readonly number[] = []

  constructor(longest: number) {
    this.#counts = new Uint32Array(longest + 1)
  }

  change(bits: number, by: 1 | -1): void {
    this.#counts[bits] = (this.#counts[bits] as number) + by
    this.#present = [...this.#counts.keys()].filter((length) => this.#counts[length] !== 0)
  }

  of(into: Uint8Array): number {
    const present = this.#present
    for (let at = 0; at < present.length; at++) into[at] = present[at] as number
    return present.length
  }
}

const HALF_BITS = 16
const HALVES = 1 << HALF_BITS
const NETWORK_BITS = 24
/** A bit for each prefix of 1 to 8 bits: 0, 1, 00, 01, … are bits 2, 3, 4, 5, … */
const LINE_WORDS = 16
const CHUNK_BITS = 12
const CHUNK = 1 << CHUNK_BITS

/** Of a network of 256 addresses, which prefixes there are in it. */
interface Networks {
  readonly lines: Uint32Array
  readonly within: Uint32Array
}

/** By the first 16 bits of the address, without a search, and by the first 24: what it tells is exact but for short ones. */
export class Ipv4Lengths implements NearbyLengths {
  readonly #short = new ShortLengths(HALF_BITS)
  /** By how many of the short ones each half is covered. */
  readonly #covered = new Uint32Array(HALVES)
  /** Of each half, which prefixes of 17 to 24 bits there are. */
  readonly #lines = new Uint32Array(HALVES * LINE_WORDS)
  /** How many longer ones there are within each half. */
  readonly #longer = new Uint32Array(HALVES)
  readonly #networks: PrefixIndex
  readonly #chunks: Networks[] = []

  constructor(seed: number, hash?: PrefixHash) {
    this.#networks = new PrefixIndex(1, seed, hash)
  }

  add(words: AddressWords, bits: number): void {
    const half = words.a >>> HALF_BITS
    if (bits <= HALF_BITS) this.#cover(half, bits, 1)
    else if (bits <= NETWORK_BITS) turn(this.#lines, half, (words.a >>> 8) & 255, bits - HALF_BITS)
    else {
      this.#longer[half] = (this.#longer[half] as number) + 1
      const id = this.#networks.add(words, NETWORK_BITS)
      const { lines, within } = this.#chunkOf(id)
      turn(lines, id & (CHUNK - 1), words.a & 255, bits - NETWORK_BITS)
      within[id & (CHUNK - 1)] = (within[id & (CHUNK - 1)] as number) + 1
    }
  }

  remove(words: AddressWords, bits: number): void {
    const half = words.a >>> HALF_BITS
    if (bits <= HALF_BITS) this.#cover(half, bits, -1)
    else if (bits <= NETWORK_BITS) turn(this.#lines, half, (words.a >>> 8) & 255, bits - HALF_BITS)
    else {
      this.#longer[half] = (this.#longer[half] as number) - 1
      const id = this.#networks.find(words, NETWORK_BITS)
      const { lines, within } = this.#chunkOf(id)
      turn(lines, id & (CHUNK - 1), words.a & 255, bits - NETWORK_BITS)
      within[id & (CHUNK - 1)] = (within[id & (CHUNK - 1)] as number) - 1
      if (within[id & (CHUNK - 1)] === 0) this.#networks.remove(id)
    }
  }

  of(words: AddressWords, depth: number, into: Uint8Array): number {
    const half = words.a >>> HALF_BITS
    if (depth === 0) {
      const short = this.#covered[half] === 0 ? 0 : this.#short.of(into)
      return turned(this.#lines, half, (words.a >>> 8) & 255, HALF_BITS, into, short)
    }
    if (depth > 1 || this.#longer[half] === 0) return -1
    const id = this.#networks.find(words, NETWORK_BITS)
    return id === -1 ? -1 : turned(this.#chunkOf(id).lines, id & (CHUNK - 1), words.a & 255, NETWORK_BITS, into, 0)
  }

  #cover(half: number, bits: number, by: 1 | -1): void {
    this.#short.change(bits, by)
    const first = bits === 0 ? 0 : half & (-1 << (HALF_BITS - bits))
    const end = first + (1 << (HALF_BITS - bits))
    for (let at = first; at < end; at++) this.#covered[at] = (this.#covered[at] as number) + by
  }

  #chunkOf(id: number): Networks {
    while (this.#chunks.length <= id >>> CHUNK_BITS) {
      this.#chunks.push({ lines: new Uint32Array(CHUNK * LINE_WORDS), within: new Uint32Array(CHUNK) })
    }
    return this.#chunks[id >>> CHUNK_BITS] as Networks
  }
}

/** Turns the bit of a prefix of `length` bits of `byte`. */
const turn = (lines: Uint32Array, line: number, byte: number, length: number): void => {
  const bit = (1 << length) | (byte >>> (8 - length))
  const at = line * LINE_WORDS + (bit >>> 5)
  lines[at] = (lines[at] as number) ^ (1 << (bit & 31))
}

/** The lengths, each `before` bits longer, of those prefixes of `byte` whose bits are set. */
const turned = (
  lines: Uint32Array,
  line: number,
  byte: number,
  before: number,
  into: Uint8Array,
  count: number,
): number => {
  let end = count
  for (let length = 1; length <= 8; length++) {
    const bit = (1 << length) | (byte >>> (8 - length))
    const word = lines[line * LINE_WORDS + (bit >>> 5)] as number
    if ((word & (1 << (bit & 31))) !== 0) into[end++] = before + length
  }
  return end
}

/** Where the ways part: 32 bits are an operator's, 48 a site's, 64 a network's. */
const JUNCTIONS = [32, 48, 64] as const
const LONGEST = 128

/** Of what begins with the same 32, 48 or 64 bits. */
interface Nodes {
  /** How many there are. */
  readonly within: Uint32Array
  /**
   * A bit for each length from the junction on that there has been, as long as there were any; at the next junction, one
   * for it and all beyond. Behind the last junction 127 and 128 share the last bit of `high`.
   */
  readonly low: Int32Array
  readonly high: Int32Array
}

/** By what there is within the first 32, 48 and 64 bits of the address. */
export class Ipv6Lengths implements NearbyLengths {
  /** Whether the node that was looked at last has any beyond the next junction. */
  #isDeeper = false
  readonly #short = new ShortLengths(JUNCTIONS[0])
  readonly #nodes: PrefixIndex
  readonly #chunks: Nodes[] = []

  constructor(seed: number, hash?: PrefixHash) {
    this.#nodes = new PrefixIndex(4, seed, hash)
  }

  add(words: AddressWords, bits: number): void {
    if (bits < JUNCTIONS[0]) this.#short.change(bits, 1)
    for (let index = 0; index < JUNCTIONS.length && bits >= (JUNCTIONS[index] as number); index++) {
      const before = this.#nodes.size
      const id = this.#nodes.add(words, JUNCTIONS[index] as number)
      const { within, low, high } = this.#chunkOf(id)
      const at = id & (CHUNK - 1)
      if (this.#nodes.size > before) within[at] = low[at] = high[at] = 0
      within[at] = (within[at] as number) + 1
      const bit = bitOf(bits, index)
      if (bit < 32) low[at] = (low[at] as number) | (1 << bit)
      else high[at] = (high[at] as number) | (1 << (bit - 32))
    }
  }

  remove(words: AddressWords, bits: number): void {
    if (bits < JUNCTIONS[0]) this.#short.change(bits, -1)
    for (const junction of JUNCTIONS) {
      if (bits < junction) return
      const id = this.#nodes.find(words, junction)
      const { within } = this.#chunkOf(id)
      within[id & (CHUNK - 1)] = (within[id & (CHUNK - 1)] as number) - 1
      if (within[id & (CHUNK - 1)] === 0) this.#nodes.remove(id)
    }
  }

  of(words: AddressWords, depth: number, into: Uint8Array): number {
    if (depth === 0) return this.#short.of(into)
    const junction = JUNCTIONS[depth - 1]
    if (junction === undefined || (depth > 1 && !this.#isDeeper)) return -1
    const id = this.#nodes.find(words, junction)
    if (id === -1) return -1
    const { low, high } = this.#chunkOf(id)
    const lengths = low[id & (CHUNK - 1)] as number
    const next = JUNCTIONS[depth]
    if (next !== undefined) {
      const beyond = 1 << (next - junction)
      this.#isDeeper = (lengths & beyond) !== 0
      return written(lengths & (beyond - 1), junction, into, 0)
    }
    const longer = high[id & (CHUNK - 1)] as number
    const count = written(longer, junction + 32, into, written(lengths, junction, into, 0))
    if (longer >= 0) return count
    into[count] = LONGEST
    return count + 1
  }

  #chunkOf(id: number): Nodes {
    while (this.#chunks.length <= id >>> CHUNK_BITS) {
      this.#chunks.push({ within: new Uint32Array(CHUNK), low: new Int32Array(CHUNK), high: new Int32Array(CHUNK) })
    }
    return this.#chunks[id >>> CHUNK_BITS] as Nodes
  }
}

/** Which bit of the node at a junction a length has. */
const bitOf = (bits: number, index: number): number =>
  Math.min(bits, JUNCTIONS[index + 1] ?? LONGEST - 1) - (JUNCTIONS[index] as number)

/** The lengths that the bits of a mask stand for, the lowest being `first`. */
const written = (mask: number, first: number, into: Uint8Array, count: number): number => {
  let rest = mask
  let end = count
  while (rest !== 0) {
    const lowest = rest & -rest
    into[end++] = first + 31 - Math.clz32(lowest)
    rest ^= lowest
  }
  return end
}
