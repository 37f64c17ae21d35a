import type { IpAddress } from '../../facts/ip-address.ts'
import type { Cidr } from '../addresses/cidr.ts'
import { maskedWord, writeWords } from './address-words.ts'
import { DEEPER, NearbyLengths } from './nearby-lengths.ts'
import { PrefixList } from './prefix-list.ts'
import { PrefixSlots } from './prefix-slots.ts'

/** Spreads a word of 32 bits over all of them. */
export type Mix = (word: number) => number

/** All prefixes that cover an address are fewer. */
const COVERING_LIMIT = 130
const PREFIXES_LIMIT = 8_000_000
/** So many have few cells, which cost little memory: the lengths of a million are counted in some 10 MB, or 30 where all lengths are used. */
const FEW_PREFIXES = 1_000
const FEW_CELLS = 1 << 12
const CELLS = 1 << 16

interface Shape {
  readonly words: number
  /** An address is hashed by groups of so many bits, 2 to the power of `groupShift`. */
  readonly groupShift: number
  readonly levels: number
}

export const IPV4_SHAPE: Shape = { words: 1, groupShift: 3, levels: 4 }
export const IPV6_SHAPE: Shape = { words: 4, groupShift: 4, levels: 8 }

/**
 * The prefixes of one family, each with a small number of its own, under which others may keep what they know of it. What
 * a look-up costs: a hash of the address group by group, and for each length that there may be near it one bit; memory
 * that no cache holds is read about once for each prefix that is found.
 */
export class PrefixIndex {
  /** Of the last {@link findCovering}. */
  readonly foundIds = new Int32Array(COVERING_LIMIT)
  readonly foundNotes = new Uint32Array(COVERING_LIMIT)
  readonly #shape: Shape
  readonly #groupBits: number
  readonly #seed: number
  readonly #mix: Mix | undefined
  #lengths: NearbyLengths
  readonly #list: PrefixList
  readonly #slots: PrefixSlots
  /** Of the address that is asked for, and of a prefix: no memory is taken for a look-up. */
  readonly #words = new Int32Array(4)
  readonly #prefix = new Int32Array(4)
  readonly #levelHashes = new Int32Array(8)
  readonly #nearby = new Int32Array(8)
  readonly #likelyHashes = new Int32Array(COVERING_LIMIT)
  readonly #likelyBits = new Uint8Array(COVERING_LIMIT)

  /**
   * @param seed secret: whoever knew it could choose addresses that collide
   * @param mix in tests, one that collides
   */
  constructor(shape: Shape, seed: number, mix?: Mix) {
    this.#shape = shape
    this.#groupBits = 1 << shape.groupShift
    this.#seed = seed
    this.#mix = mix
    this.#lengths = new NearbyLengths(shape.levels, FEW_CELLS)
    this.#list = new PrefixList(shape.words)
    this.#slots = new PrefixSlots(shape.words, (words, bits) => this.#hashOf(words, bits))
  }

  get size(): number {
    return this.#list.size
  }

  /** All numbers are below this. */
  get idsEnd(): number {
    return this.#list.end
  }

  has(id: number): boolean {
    return this.#list.bits(id) !== -1
  }

  /** @param id of one that there is */
  cidr(id: number): Cidr {
    return this.#list.cidr(id)
  }

  /** The number of exactly this prefix; -1 for none. */
  find({ address, bits }: Cidr): number {
    writeWords(address, this.#words)
    const place = this.#slots.find(this.#hashOf(this.#words, bits), this.#words, bits)
    return place === -1 ? -1 : this.#slots.id(place)
  }

  /**
   * Finds those that cover an address, the widest first.
   * @param enough no more are looked for behind one whose note is greater
   * @returns how many; `foundIds` and `foundNotes` have them
   */
  findCovering(address: IpAddress, enough: number): number {
    writeWords(address, this.#words)
    const slots = this.#slots
    const likely = this.#findLikely(this.#findNearby())
    let found = 0
    for (let at = 0; at < likely; at++) {
      const place = slots.find(this.#likelyHashes[at] as number, this.#words, this.#likelyBits[at] as number)
      if (place === -1) continue
      const note = slots.note(place)
      this.foundIds[found] = slots.id(place)
      this.foundNotes[found++] = note
      if (note > enough) return found
    }
    return found
  }

  /** Reads of all levels what there is near the address before any of it is used: so the reads wait for memory together. */
  #findNearby(): number {
    const { levels } = this.#shape
    const words = this.#words
    let hash = this.#seed
    for (let level = 0; level < levels; level++) {
      const nearby = this.#lengths.mask(level, hash)
      this.#levelHashes[level] = hash
      this.#nearby[level] = nearby
      if ((nearby & DEEPER) === 0) return level + 1
      hash = this.#mixed(hash ^ this.#groupOf(words, level))
    }
    return levels
  }

  /** Of the lengths that are near, those that the slots do not rule out at once; for the same reason without a branch. */
  #findLikely(levels: number): number {
    const { groupShift } = this.#shape
    const hashes = this.#likelyHashes
    const lengths = this.#likelyBits
    let likely = 0
    for (let level = 0; level < levels; level++) {
      const hash = this.#levelHashes[level] as number
      const group = this.#groupOf(this.#words, level)
      for (let rests = (this.#nearby[level] as number) & ~DEEPER; rests !== 0; rests &= rests - 1) {
        const rest = 31 - Math.clz32(rests & -rests)
        const prefixHash = this.#mixed(hash ^ this.#restOf(group, rest))
        hashes[likely] = prefixHash
        lengths[likely] = (level << groupShift) + rest
        likely += this.#slots.filtered(prefixHash)
      }
    }
    return likely
  }

  /**
   * @param note 32 bits that are found together with it, in the place of those that there are
   * @returns the number that it has from now on
   * @throws RangeError where there are too many
   */
  add({ address, bits }: Cidr, note: number): number {
    writeWords(address, this.#words)
    const hash = this.#hashOf(this.#words, bits)
    const place = this.#slots.find(hash, this.#words, bits)
    if (place !== -1) {
      this.#slots.setNote(place, note)
      return this.#slots.id(place)
    }
    if (this.size >= PREFIXES_LIMIT) throw new RangeError(`there are ${PREFIXES_LIMIT} prefixes: no more are held`)
    const { words } = this.#shape
    for (let at = 0; at < words; at++) this.#prefix[at] = maskedWord(this.#words[at] as number, bits - at * 32)
    const id = this.#list.add(this.#prefix, bits)
    this.#slots.insert(hash, this.#prefix, bits, id, note)
    if (this.#lengths.cells === FEW_CELLS && this.size > FEW_PREFIXES) this.#countInMoreCells()
    else this.#countLengths(this.#prefix, bits, 1)
    return id
  }

  /** Once, for good. So far no number is free: those that were are taken again before there is a new one. */
  #countInMoreCells(): void {
    this.#lengths = new NearbyLengths(this.#shape.levels, CELLS)
    for (let id = 0; id < this.idsEnd; id++) {
      const { address, bits } = this.#list.cidr(id)
      writeWords(address, this.#words)
      this.#countLengths(this.#words, bits, 1)
    }
  }

  /** @param id of one that there is */
  remove(id: number): void {
    const { address, bits } = this.#list.cidr(id)
    writeWords(address, this.#words)
    const hash = this.#hashOf(this.#words, bits)
    this.#slots.remove(this.#slots.find(hash, this.#words, bits), hash)
    this.#countLengths(this.#words, bits, -1)
    this.#list.remove(id)
  }

  #countLengths(words: Int32Array, bits: number, by: 1 | -1): void {
    const last = this.#levelOf(bits)
    let hash = this.#seed
    for (let level = 0; level < last; level++) {
      this.#lengths.changeDeeper(level, hash, by)
      hash = this.#mixed(hash ^ this.#groupOf(words, level))
    }
    this.#lengths.change(last, hash, bits - (last << this.#shape.groupShift), by)
  }

  /** Whole addresses are of the last level, too: there is none behind it. */
  #levelOf(bits: number): number {
    return Math.min(bits >>> this.#shape.groupShift, this.#shape.levels - 1)
  }

  #groupOf(words: Int32Array, level: number): number {
    const firstBit = level << this.#shape.groupShift
    const word = words[firstBit >>> 5] as number
    return (word >>> (32 - this.#groupBits - (firstBit & 31))) & ((1 << this.#groupBits) - 1)
  }

  /** The first bits of a group behind a 1, which tells how many there are. */
  #restOf(group: number, rest: number): number {
    return (1 << rest) | (group >>> (this.#groupBits - rest))
  }

  #hashOfGroups(words: Int32Array, level: number): number {
    let hash = this.#seed
    for (let at = 0; at < level; at++) hash = this.#mixed(hash ^ this.#groupOf(words, at))
    return hash
  }

  #hashOf(words: Int32Array, bits: number): number {
    const level = this.#levelOf(bits)
    const rest = this.#restOf(this.#groupOf(words, level), bits - (level << this.#shape.groupShift))
    return this.#mixed(this.#hashOfGroups(words, level) ^ rest)
  }

  #mixed(word: number): number {
    return this.#mix === undefined ? murmurMix(word) : this.#mix(word)
  }
}

/** The finaliser of MurmurHash3. */
const murmurMix: Mix = (word) => {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
