import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { IpAddress } from '../../facts/ip-address.ts'
import type { Block } from './block.ts'
import { type BlockPage, BlockTable } from './block-table.ts'

/** A block to be made; its stamp is the store's to give. */
export type BlockOrder = Omit<Block, 'stamp'>

/** What became of a change: it holds here in any case. */
export interface BlockChange {
  /** Whether the fleet has it; else it is told when Redis is back. Without a Redis configured there is no fleet: true. */
  readonly isFleetTold: boolean
}

/** The blocks of the fleet, as this instance knows them. */
export class BlockStore {
  readonly #table = new BlockTable()
  readonly #clock: Clock

  constructor(_redis: RedisGuard | undefined, _log: Logger, clock: Clock = systemClock) {
    this.#clock = clock
  }

  /** Learns what there is, and goes on learning until it is closed. Resolves when all is known, or cannot be for now. */
  async open(): Promise<void> {}

  close(): void {}

  /** How many there are, those included that have passed and are remembered. */
  get size(): number {
    return this.#table.size
  }

  /** For the request path: takes no memory, and no time that grows with the number of blocks. */
  isBlocked(address: IpAddress): boolean {
    return this.#table.isBlocked(address, this.#clock.wallMs())
  }

  /** Of the blocks that hold now, the one that lasts longest. */
  find(address: IpAddress): Block | undefined {
    return this.#table.find(address, this.#clock.wallMs())
  }

  /** All that cover the address, those that have passed included. */
  covering(address: IpAddress): readonly Block[] {
    return this.#table.covering(address)
  }

  /** The block of exactly this range (as formatCidr writes it), be it one that has passed. */
  get(range: string): Block | undefined {
    return this.#table.get(range)
  }

  page(cursor: number, limit: number): BlockPage {
    return this.#table.page(cursor, limit)
  }

  /** Blocks, here at once. Of one range the last order counts. */
  async block(orders: readonly BlockOrder[]): Promise<BlockChange> {
    for (const order of orders) this.#table.set({ ...order, stamp: this.#clock.wallMs() })
    return { isFleetTold: true }
  }

  /** Ends blocks of exactly these ranges, here at once. @returns those that there were */
  async unblock(ranges: readonly string[]): Promise<BlockChange & { readonly unblocked: readonly Block[] }> {
    const unblocked = ranges.flatMap((range) => this.#table.get(range) ?? [])
    for (const { range } of unblocked) this.#table.delete(range)
    return { isFleetTold: true, unblocked }
  }
}
