import type { IpAddress } from '../../facts/ip-address.ts'
import { type Cidr, formatCidr } from '../addresses/cidr.ts'
import type { Block } from './block.ts'
import { BlockRecords } from './block-records.ts'
import { PrefixIndex } from './prefix-index.ts'

/** Seconds since 1970 fit until the year 2106: a block that lasts longer lasts for ever. */
const SECONDS_LIMIT = 0xffff_ffff

/** The blocks of IPv4 or of IPv6: a prefix and a record under one number. Beside the prefix is the second in which it ends. */
export class BlocksOfFamily {
  readonly #index: PrefixIndex
  readonly #records = new BlockRecords()

  constructor(...ofIndex: ConstructorParameters<typeof PrefixIndex>) {
    this.#index = new PrefixIndex(...ofIndex)
  }

  get size(): number {
    return this.#index.size
  }

  /** All numbers are below this. */
  get idsEnd(): number {
    return this.#index.idsEnd
  }

  set(cidr: Cidr, block: Block): void {
    const before = this.#index.size
    const untilSeconds = Math.min(Math.max(Math.ceil(block.untilMs / 1_000), 0), SECONDS_LIMIT)
    const id = this.#index.add(cidr, untilSeconds)
    this.#records.set(id, block, this.#index.size > before)
  }

  delete(cidr: Cidr): boolean {
    const id = this.#index.find(cidr)
    if (id !== -1) this.#remove(id)
    return id !== -1
  }

  get(cidr: Cidr): Block | undefined {
    const id = this.#index.find(cidr)
    return id === -1 ? undefined : this.at(id)
  }

  isBlocked(address: IpAddress, nowMs: number): boolean {
    // One that holds for more than a second is enough, whatever else there is.
    const found = this.#index.findCovering(address, nowMs / 1_000 + 1)
    for (let at = 0; at < found; at++) {
      const aheadMs = (this.#index.foundNotes[at] as number) * 1_000 - nowMs
      // Only within the second of its end is more looked at.
      if (aheadMs > 1_000) return true
      if (aheadMs > 0 && this.#records.untilMs(this.#index.foundIds[at] as number) > nowMs) return true
    }
    return false
  }

  covering(address: IpAddress): Block[] {
    const found = this.#index.findCovering(address, Number.POSITIVE_INFINITY)
    return [...this.#index.foundIds.subarray(0, found)].map((id) => this.at(id))
  }

  has(id: number): boolean {
    return this.#index.has(id)
  }

  /** @param id of one that there is */
  at(id: number): Block {
    return { range: formatCidr(this.#index.cidr(id)), ...this.#records.get(id) }
  }

  /** Drops it where nothing is to be remembered of it. @returns whether it was there, and is no more */
  forget(id: number, nowMs: number): boolean {
    if (!this.#index.has(id) || this.#records.forgetAtMs(id) > nowMs) return false
    this.#remove(id)
    return true
  }

  #remove(id: number): void {
    this.#records.delete(id)
    this.#index.remove(id)
  }
}
