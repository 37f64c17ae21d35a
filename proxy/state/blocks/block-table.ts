import { randomBytes } from 'node:crypto'
import type { IpAddress } from '../../facts/ip-address.ts'
import { type Cidr, parseCidr } from '../addresses/cidr.ts'
import type { Block } from './block.ts'
import { BlocksOfFamily } from './blocks-of-family.ts'
import type { Mix } from './prefix-hash.ts'

export interface BlockPage {
  readonly blocks: readonly Block[]
  /** Where the next page begins; undefined behind the last. */
  readonly next: number | undefined
}

/** A little less than an index holds: what is under way when there is no room any more still fits. */
const BLOCKS_LIMIT = 7_900_000

/**
 * Every block that this instance knows, those included that have passed and are remembered. What a look-up costs does not
 * depend on how many there are; a block takes some hundred bytes.
 */
export class BlockTable {
  readonly #seed: number
  readonly #mix: Mix | undefined
  /** Made when there is a first block: most proxies have none for most of their lives. */
  #ipv4: BlocksOfFamily | undefined
  #ipv6: BlocksOfFamily | undefined
  #sweepAt = 0

  /** @param mix in tests, one that collides */
  constructor(seed: number = randomBytes(4).readInt32LE(), mix?: Mix) {
    this.#seed = seed
    this.#mix = mix
  }

  get size(): number {
    return (this.#ipv4?.size ?? 0) + (this.#ipv6?.size ?? 0)
  }

  /** Whether so many more fit, whichever they are. */
  hasRoomFor(count: number): boolean {
    return this.size + count <= BLOCKS_LIMIT
  }

  /** Takes the place of what there is of the same range. @throws RangeError where its range is none, or there are too many */
  set(block: Block): void {
    const cidr = parseCidr(block.range)
    if (cidr === undefined) throw new RangeError(`${block.range} is no range`)
    if (typeof cidr.address === 'number') {
      this.#ipv4 ??= new BlocksOfFamily(1, this.#seed, this.#mix)
      this.#ipv4.set(cidr, block)
    } else {
      this.#ipv6 ??= new BlocksOfFamily(4, this.#seed, this.#mix)
      this.#ipv6.set(cidr, block)
    }
  }

  /** @returns whether there was one */
  delete(range: string): boolean {
    const cidr = parseCidr(range)
    return cidr !== undefined && this.#familyOf(cidr)?.delete(cidr) === true
  }

  /** The block of exactly this range, be it one that has passed. */
  get(range: string): Block | undefined {
    const cidr = parseCidr(range)
    return cidr === undefined ? undefined : this.#familyOf(cidr)?.get(cidr)
  }

  /** Whether any block that covers the address holds now. */
  isBlocked(address: IpAddress, nowMs: number): boolean {
    const family = typeof address === 'number' ? this.#ipv4 : this.#ipv6
    return family?.isBlocked(address, nowMs) ?? false
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
    return family?.covering(address) ?? []
  }

  /**
   * A part of them all. Whoever goes on from where a page ended sees each block that is there throughout, and none twice
   * that is not taken away and made again.
   */
  page(cursor: number, limit: number): BlockPage {
    const blocks: Block[] = []
    const end = this.#end
    let at = cursor
    for (; blocks.length < limit; at++) {
      if (at >= end) return { blocks, next: undefined }
      const family = this.#familyAt(at)
      if (family?.has(at >>> 1) === true) blocks.push(family.at(at >>> 1))
    }
    return { blocks, next: at }
  }

  /** Looks at so many, where the call before has stopped, and drops those that nothing is to be remembered of. @returns how many */
  sweep(nowMs: number, limit: number): number {
    const end = this.#end
    let dropped = 0
    for (let looked = 0; looked < limit; looked++) {
      if (this.#sweepAt >= end) {
        this.#sweepAt = 0
        return dropped
      }
      if (this.#familyAt(this.#sweepAt)?.forget(this.#sweepAt >>> 1, nowMs) === true) dropped++
      this.#sweepAt++
    }
    return dropped
  }

  #familyOf({ address }: Cidr): BlocksOfFamily | undefined {
    return typeof address === 'number' ? this.#ipv4 : this.#ipv6
  }

  /** Both families' numbers are in one row: even ones are IPv4's. */
  #familyAt(at: number): BlocksOfFamily | undefined {
    return (at & 1) === 0 ? this.#ipv4 : this.#ipv6
  }

  get #end(): number {
    return Math.max(this.#ipv4?.idsEnd ?? 0, this.#ipv6?.idsEnd ?? 0) * 2
  }
}
