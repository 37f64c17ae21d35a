import { randomBytes } from 'node:crypto'
import type { IpAddress } from '../../facts/ip-address.ts'
import { type Cidr, formatCidr, parseCidr } from '../addresses/cidr.ts'
import type { Block } from './block.ts'
import { BlockRecords } from './block-records.ts'
import { Ipv4Lengths, Ipv6Lengths, type NearbyLengths } from './nearby-lengths.ts'
import { type AddressWords, type PrefixHash, PrefixIndex } from './prefix-index.ts'

/** All prefixes that cover an address are fewer. */
const LENGTHS_LIMIT = 130

/** Seconds since 1970 fit until the year 2106. */
const NOTE_LIMIT = 0xffff_ffff

/** The blocks of one family. */
interface Family {
  readonly index: PrefixIndex
  readonly records: BlockRecords
  readonly lengths: NearbyLengths
}

export interface BlockPage {
  readonly blocks: readonly Block[]
  /** Where the next page begins; undefined behind the last. */
  readonly next: number | undefined
}

/**
 * Every block that this instance knows, those included that have passed and are remembered. What a look-up costs does not
 * depend on how many there are; a block takes one to two hundred bytes.
 */
export class BlockTable {
  readonly #seed: number
  readonly #hash: PrefixHash | undefined
  /** Made when there is a first block: most proxies have none for most of their lives. */
  #ipv4: Family | undefined
  #ipv6: Family | undefined
  /** Of the look-up under way: no memory is taken for one. */
  readonly #found = new Uint8Array(LENGTHS_LIMIT)
  readonly #words = { a: 0, b: 0, c: 0, d: 0 }
  #sweepAt = 0

  /** @param hash in tests, one that collides */
  constructor(seed: number = randomBytes(4).readInt32LE(), hash?: PrefixHash) {
    this.#seed = seed
    this.#hash = hash
  }

  get size(): number {
    return (this.#ipv4?.index.size ?? 0) + (this.#ipv6?.index.size ?? 0)
  }

  /** Takes the place of what there is of the same range. @throws RangeError where its range is none */
  set(block: Block): void {
    const cidr = parseCidr(block.range)
    if (cidr === undefined) throw new RangeError(`${block.range} is no range`)
    const { index, records, lengths } = this.#familyOf(cidr.address)
    const words = this.#wordsOf(cidr.address)
    const before = index.size
    const id = index.add(words, cidr.bits)
    const isNew = index.size > before
    if (isNew) lengths.add(words, cidr.bits)
    records.set(id, block, isNew)
    index.setNote(id, Math.min(Math.max(Math.ceil(block.untilMs / 1_000), 0), NOTE_LIMIT))
  }

  /** @returns whether there was one */
  delete(range: string): boolean {
    const place = this.#placeOf(range)
    if (place === undefined) return false
    this.#remove(place.family, place.id, this.#wordsOf(place.cidr.address), place.cidr.bits)
    return true
  }

  /** The block of exactly this range, be it one that has passed. */
  get(range: string): Block | undefined {
    const place = this.#placeOf(range)
    return place === undefined ? undefined : blockOf(place.family, place.id, place.cidr)
  }

  /** Whether any block that covers the address holds now. */
  isBlocked(address: IpAddress, nowMs: number): boolean {
    const family = typeof address === 'number' ? this.#ipv4 : this.#ipv6
    if (family === undefined) return false
    const { index, lengths } = family
    const words = this.#wordsOf(address)
    for (let depth = 0; ; depth++) {
      const count = lengths.of(words, depth, this.#found)
      if (count === -1) return false
      for (let at = 0; at < count; at++) {
        const id = index.find(words, this.#found[at] as number)
        if (id !== -1 && holds(family, id, nowMs)) return true
      }
    }
  }

  /** Of the blocks that hold now, the one that lasts longest. */
  find(address: IpAddress, nowMs: number): Block | undefined {
    const holding = this.covering(address).filter(({ untilMs }) => untilMs > nowMs)
    return holding.reduce<Block | undefined>(
      (longest, block) => (longest === undefined || block.untilMs > longest.untilMs ? block : longest),
      undefined,
    )
  }

  /** All that cover the address, the widest first, those that have passed included. */
  covering(address: IpAddress): Block[] {
    const family = typeof address === 'number' ? this.#ipv4 : this.#ipv6
    if (family === undefined) return []
    const words = this.#wordsOf(address)
    const blocks: Block[] = []
    for (let depth = 0; ; depth++) {
      const count = family.lengths.of(words, depth, this.#found)
      if (count === -1) return blocks
      for (const bits of this.#found.slice(0, count).sort()) {
        const id = family.index.find(words, bits)
        if (id !== -1) blocks.push(blockAt(family, id))
      }
    }
  }

  /**
   * A part of them all. Whoever goes on from where a page ended sees each block that is there throughout, and none twice
   * that is not taken away and made again.
   */
  page(cursor: number, limit: number): BlockPage {
    const families = [this.#ipv4, this.#ipv6]
    const blocks: Block[] = []
    let at = cursor
    for (; blocks.length < limit; at++) {
      const place = placed(at, families)
      if (place === undefined) return { blocks, next: undefined }
      if (place.family?.index.at(place.id) !== undefined) blocks.push(blockAt(place.family, place.id))
    }
    return { blocks, next: at }
  }

  /** Looks at so many, where the call before has stopped, and drops those that nothing is to be remembered of. @returns how many */
  sweep(nowMs: number, limit: number): number {
    const families = [this.#ipv4, this.#ipv6]
    let dropped = 0
    for (let looked = 0; looked < limit; looked++) {
      const place = placed(this.#sweepAt, families)
      if (place === undefined) {
        this.#sweepAt = 0
        return dropped
      }
      this.#sweepAt++
      const { family, id } = place
      const prefix = family?.index.at(id)
      if (family === undefined || prefix === undefined || family.records.forgetAtMs(id) > nowMs) continue
      this.#remove(family, id, prefix.words, prefix.bits)
      dropped++
    }
    return dropped
  }

  #remove({ index, records, lengths }: Family, id: number, words: AddressWords, bits: number): void {
    lengths.remove(words, bits)
    records.delete(id)
    index.remove(id)
  }

  #placeOf(range: string): { family: Family; id: number; cidr: Cidr } | undefined {
    const cidr = parseCidr(range)
    if (cidr === undefined) return undefined
    const family = typeof cidr.address === 'number' ? this.#ipv4 : this.#ipv6
    const id = family?.index.find(this.#wordsOf(cidr.address), cidr.bits) ?? -1
    return family === undefined || id === -1 ? undefined : { family, id, cidr }
  }

  #familyOf(address: IpAddress): Family {
    if (typeof address === 'number') {
      this.#ipv4 ??= {
        index: new PrefixIndex(1, this.#seed, this.#hash),
        records: new BlockRecords(),
        lengths: new Ipv4Lengths(this.#seed, this.#hash),
      }
      return this.#ipv4
    }
    this.#ipv6 ??= {
      index: new PrefixIndex(4, this.#seed, this.#hash),
      records: new BlockRecords(),
      lengths: new Ipv6Lengths(this.#seed, this.#hash),
    }
    return this.#ipv6
  }

  /** Good until the next call. */
  #wordsOf(address: IpAddress): AddressWords {
    const words = this.#words
    if (typeof address === 'number') {
      words.a = address | 0
      words.b = 0
      words.c = 0
      words.d = 0
    } else {
      words.a = ((address[0] as number) << 16) | (address[1] as number)
      words.b = ((address[2] as number) << 16) | (address[3] as number)
      words.c = ((address[4] as number) << 16) | (address[5] as number)
      words.d = ((address[6] as number) << 16) | (address[7] as number)
    }
    return words
  }
}

/** Whether it has not passed. The whole second of its end lies beside its key; only within that second is more looked at. */
const holds = ({ index, records }: Family, id: number, nowMs: number): boolean => {
  const aheadMs = index.note(id) * 1_000 - nowMs
  return aheadMs > 1_000 || (aheadMs > 0 && records.untilMs(id) > nowMs)
}

/** Both families' numbers in one row: even ones are IPv4's. Undefined behind the last of both. */
const placed = (
  at: number,
  [ipv4, ipv6]: readonly (Family | undefined)[],
): { family: Family | undefined; id: number } | undefined => {
  const id = at >>> 1
  if (id >= Math.max(ipv4?.index.idsEnd ?? 0, ipv6?.index.idsEnd ?? 0)) return undefined
  return { family: (at & 1) === 0 ? ipv4 : ipv6, id }
}

const blockAt = (family: Family, id: number): Block => {
  const { words, bits } = family.index.at(id) as { words: AddressWords; bits: number }
  const isIpv4 = family.lengths instanceof Ipv4Lengths
  return blockOf(family, id, { address: isIpv4 ? words.a >>> 0 : groupsOf(words), bits })
}

const blockOf = ({ records }: Family, id: number, cidr: Cidr): Block => ({
  range: formatCidr(cidr),
  ...records.get(id),
})

const groupsOf = ({ a, b, c, d }: AddressWords): readonly number[] =>
  [a, b, c, d].flatMap((word) => [word >>> 16, word & 0xffff])
