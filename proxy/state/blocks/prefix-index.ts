import type { IpAddress } from '../../facts/ip-address.ts'
import type { Cidr } from '../addresses/cidr.ts'
import { maskedWord, writeWords } from './address-words.ts'
import { LengthsInUse } from './lengths-in-use.ts'
import { PrefixFilter } from './prefix-filter.ts'
import { type Mix, PrefixHash } from './prefix-hash.ts'
import { PrefixList } from './prefix-list.ts'
import { PrefixSlots } from './prefix-slots.ts'

/** All prefixes that cover an address are fewer. */
const COVERING_LIMIT = 130
const PREFIXES_LIMIT = 8_000_000
/** Longer prefixes are kept apart, as they need more memory. */
const SHORT_BITS = 64

/**
 * The prefixes of one family, each with a small number of its own, under which others may keep what they know of it. What
 * a look-up costs: for each byte of the address one question whether a prefix ends there, and where one may, one for each
 * length up to the next byte, all of them answered out of the processor's cache (see {@link PrefixFilter}); memory that no
 * cache holds is read about once for each prefix that is found.
 */
export class PrefixIndex {
  /** Of the last {@link findCovering}. */
  readonly foundIds = new Int32Array(COVERING_LIMIT)
  readonly foundNotes = new Uint32Array(COVERING_LIMIT)
  readonly #hash: PrefixHash
  readonly #lengths = new LengthsInUse()
  readonly #filter: PrefixFilter
  readonly #list: PrefixList
  readonly #short: PrefixSlots
  readonly #long: PrefixSlots
  /** Of the address that is asked for, and of a prefix: no memory is taken for a look-up. One word more than there are: 0 */
  readonly #words = new Int32Array(5)
  readonly #prefix = new Int32Array(5)
  readonly #before = new Int32Array(5)
  readonly #likelyHashes = new Int32Array(COVERING_LIMIT)
  readonly #likelyBits = new Uint8Array(COVERING_LIMIT)

  /**
   * @param words of an address
   * @param seed and `mix`: see {@link PrefixHash}
   */
  constructor(words: 1 | 4, seed: number, mix?: Mix) {
    this.#hash = new PrefixHash(seed, mix)
    this.#list = new PrefixList(words)
    this.#filter = new PrefixFilter((id, add) => this.#addAgain(id, add))
    this.#short = new PrefixSlots(2, (prefix, bits) => this.#hashOf(prefix, bits))
    this.#long = words === 1 ? this.#short : new PrefixSlots(4, (prefix, bits) => this.#hashOf(prefix, bits))
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
    const slots = this.#slotsOf(bits)
    const place = slots.find(this.#hashOf(this.#words, bits), this.#words, bits)
    return place === -1 ? -1 : slots.id(place)
  }

  /**
   * Finds those that cover an address, the widest first.
   * @param enough no more are looked for behind one whose note is greater
   * @returns how many; `foundIds` and `foundNotes` have them
   */
  findCovering(address: IpAddress, enough: number): number {
    writeWords(address, this.#words)
    const likely = this.#findLikely(this.#findLikelyBytes())
    let found = 0
    for (let at = 0; at < likely; at++) {
      const bits = this.#likelyBits[at] as number
      const slots = this.#slotsOf(bits)
      const place = slots.find(this.#likelyHashes[at] as number, this.#words, bits)
      if (place === -1) continue
      const note = slots.note(place)
      this.foundIds[found] = slots.id(place)
      this.foundNotes[found++] = note
      if (note > enough) return found
    }
    return found
  }

  /** A bit for each number of bytes behind which a prefix may end. All questions are asked before any answer is used. */
  #findLikelyBytes(): number {
    const { bytesOfSeveral, bytesOfOne } = this.#lengths
    const words = this.#words
    const last = (31 - Math.clz32(bytesOfSeveral | bytesOfOne | 1)) >>> 2
    this.#hash.beforeWords(words, last, this.#before)
    let likely = bytesOfOne
    for (let bytes = bytesOfSeveral; bytes !== 0; bytes &= bytes - 1) {
      const byte = 31 - Math.clz32(bytes & -bytes)
      const at = byte >>> 2
      const hash = this.#hash.ofByte(this.#before[at] as number, words[at] as number, (byte & 3) * 8)
      likely |= this.#filter.has(hash) << byte
    }
    return likely
  }

  /** The prefixes of an address that the filter does not rule out; for the same reason without a branch. */
  #findLikely(likelyBytes: number): number {
    const words = this.#words
    const hashes = this.#likelyHashes
    const lengths = this.#likelyBits
    let likely = 0
    for (let bytes = likelyBytes; bytes !== 0; bytes &= bytes - 1) {
      const byte = 31 - Math.clz32(bytes & -bytes)
      const before = this.#before[byte >>> 2] as number
      const word = words[byte >>> 2] as number
      for (let behind = this.#lengths.behind(byte); behind !== 0; behind &= behind - 1) {
        const bits = byte * 8 + 31 - Math.clz32(behind & -behind)
        const hash = this.#hash.ofPrefix(before, word, bits & 31)
        hashes[likely] = hash
        lengths[likely] = bits
        likely += this.#filter.has(hash)
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
    const slots = this.#slotsOf(bits)
    const place = slots.find(hash, this.#words, bits)
    if (place !== -1) {
      slots.setNote(place, note)
      return slots.id(place)
    }
    if (this.size >= PREFIXES_LIMIT) throw new RangeError(`there are ${PREFIXES_LIMIT} prefixes: no more are held`)
    for (let at = 0; at < 4; at++) this.#prefix[at] = maskedWord(this.#words[at] as number, bits - at * 32)
    const id = this.#list.add(this.#prefix, bits)
    slots.insert(hash, this.#prefix, bits, id, note)
    this.#lengths.count(bits, 1)
    this.#filter.add(hash)
    this.#filter.add(this.#hashOfByte(this.#prefix, bits))
    this.#filter.changed(1, this.size, this.idsEnd)
    return id
  }

  /** @param id of one that there is */
  remove(id: number): void {
    const bits = this.#list.bits(id)
    this.#list.readWords(id, this.#words)
    const hash = this.#hashOf(this.#words, bits)
    const slots = this.#slotsOf(bits)
    slots.remove(slots.find(hash, this.#words, bits))
    this.#lengths.count(bits, -1)
    this.#list.remove(id)
    this.#filter.changed(-1, this.size, this.idsEnd)
  }

  #addAgain(id: number, add: (hash: number) => void): void {
    const bits = this.#list.bits(id)
    if (bits === -1) return
    this.#list.readWords(id, this.#prefix)
    add(this.#hashOf(this.#prefix, bits))
    add(this.#hashOfByte(this.#prefix, bits))
  }

  #slotsOf(bits: number): PrefixSlots {
    return bits <= SHORT_BITS ? this.#short : this.#long
  }

  #hashOf(words: Int32Array, bits: number): number {
    const at = bits >>> 5
    this.#hash.beforeWords(words, at, this.#before)
    return this.#hash.ofPrefix(this.#before[at] as number, words[at] as number, bits & 31)
  }

  #hashOfByte(words: Int32Array, bits: number): number {
    const at = bits >>> 5
    this.#hash.beforeWords(words, at, this.#before)
    return this.#hash.ofByte(this.#before[at] as number, words[at] as number, bits & 24)
  }
}
