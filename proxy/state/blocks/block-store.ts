import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { IpAddress } from '../../facts/ip-address.ts'
import type { Block } from './block.ts'
import { BlockLink } from './block-link.ts'
import { BlockMemory, type Untold } from './block-memory.ts'
import type { BlockPage } from './block-table.ts'

/** A block to be made; its stamp is the store's to give. */
export type BlockOrder = Omit<Block, 'stamp'>

/** What became of a change: it holds here in any case. */
export interface BlockChange {
  /** Whether the fleet has it; else it is told when Redis is back. Without a Redis configured there is no fleet: true. */
  readonly isFleetTold: boolean
}

export interface BlockStoreSettings {
  /** How often Redis is asked where it has not told by itself; some instances sooner and some later. */
  readonly pollIntervalMs?: number
}

const POLL_INTERVAL_MS = 5_000
/** How soon what was not done is tried again; the guard sees to it that a Redis that is lost is not asked so often. */
const RETRY_INTERVAL_MS = 500
/** Two times of asking are no closer: under attack there are hundreds of changes a second. */
const PAUSE_MS = 50
/** Of one call, so that both Redis and this process have done with it in a few milliseconds. */
const CHANGES_PER_CALL = 250
const SWEEP_INTERVAL_MS = 250
const SWEEP_LIMIT = 2_000
/** So long does a start wait for all of a long list; then it goes on without the rest. */
const FIRST_LOAD_MS = 15_000

/**
 * The blocks of the fleet, as this instance knows them. What is changed here holds here at once; the others hear of it by
 * a message, or, where that is lost, at the next poll. While Redis is lost each instance goes on with what it knows, and
 * tells what it has done when Redis is back.
 */
export class BlockStore {
  readonly #memory = new BlockMemory()
  readonly #link: BlockLink | undefined
  readonly #log: Logger
  readonly #clock: Clock
  readonly #pollIntervalMs: number
  readonly #stop = new AbortController()
  readonly #endings: (() => void)[] = []
  #epoch = ''
  #reached = 0
  /** Set while all that is known is told to a Redis that has lost it: where the next part begins. */
  #tellingFrom: number | undefined
  #isFull = false
  /** Whether there may be more in Redis than is known here. */
  #isBehind = false
  /** Whether there has been a message since Redis was asked last. It may come while the answer to that is under way. */
  #isCalled = false
  #telling: Promise<boolean> | undefined
  #asking: Promise<boolean> | undefined
  #wake: (() => void) | undefined

  constructor(
    redis: RedisGuard | undefined,
    log: Logger,
    clock: Clock = systemClock,
    { pollIntervalMs = POLL_INTERVAL_MS }: BlockStoreSettings = {},
  ) {
    this.#link = redis === undefined ? undefined : new BlockLink(redis)
    this.#log = log
    this.#clock = clock
    this.#pollIntervalMs = pollIntervalMs
  }

  /** Learns what there is, and goes on learning until it is closed. Resolves when all is known, or cannot be for now. */
  async open(): Promise<void> {
    const sweeping = setInterval(() => this.#memory.sweep(this.#clock.wallMs(), SWEEP_LIMIT), SWEEP_INTERVAL_MS)
    sweeping.unref()
    this.#endings.push(() => clearInterval(sweeping))
    if (this.#link === undefined) return
    this.#endings.push(this.#link.onChanged(() => this.#call()))
    const loaded = this.#load(this.#link)
    const late = delay(FIRST_LOAD_MS, 'late', { ref: false })
    if ((await Promise.race([loaded, late])) === 'late') {
      this.#log.warn({ blocks: this.size }, 'blocks are still being loaded: going on with those that are here')
    }
    void this.#keepUp(this.#link)
  }

  close(): void {
    this.#stop.abort()
    this.#wake?.()
    for (const end of this.#endings.splice(0)) end()
  }

  /** How many there are, those included that have passed and are remembered. */
  get size(): number {
    return this.#memory.table.size
  }

  hasRoomFor(count: number): boolean {
    return this.#memory.table.hasRoomFor(count)
  }

  /** How many changes the fleet has not been told of yet. */
  get untold(): number {
    return this.#memory.untold
  }

  /** For the request path: takes no memory, and no time that grows with the number of blocks. */
  isBlocked(address: IpAddress): boolean {
    return this.#memory.table.isBlocked(address, this.#clock.wallMs())
  }

  /** Of the blocks that hold now, the one that lasts longest. */
  find(address: IpAddress): Block | undefined {
    return this.#memory.table.find(address, this.#clock.wallMs())
  }

  /** All that cover the address, those that have passed included. */
  covering(address: IpAddress): readonly Block[] {
    return this.#memory.table.covering(address)
  }

  /** The block of exactly this range (as formatCidr writes it), be it one that has passed. */
  get(range: string): Block | undefined {
    return this.#memory.table.get(range)
  }

  /** Another one after each block and unblock of exactly this range, as far as they are remembered; else 0. */
  changeMark(range: string): number {
    return this.#memory.table.get(range)?.sinceMs ?? this.#memory.unblockStamp(range)
  }

  page(cursor: number, limit: number): BlockPage {
    return this.#memory.table.page(cursor, limit)
  }

  /** Blocks, here at once. What an operator orders takes the place of what there is; else the later end counts. */
  async block(orders: readonly BlockOrder[]): Promise<BlockChange> {
    const nowMs = this.#clock.wallMs()
    for (const order of orders) this.#memory.block(order, order.source === 'manual' ? 'set' : 'keep', nowMs)
    return { isFleetTold: await this.#isTold(orders.map(({ range }) => range)) }
  }

  /** Ends blocks of exactly these ranges, here at once. @returns those that there were */
  async unblock(ranges: readonly string[]): Promise<BlockChange & { readonly unblocked: readonly Block[] }> {
    const nowMs = this.#clock.wallMs()
    const unblocked = ranges.flatMap((range) => this.#memory.unblock(range, nowMs)?.block ?? [])
    return { isFleetTold: await this.#isTold(unblocked.map(({ range }) => range)), unblocked }
  }

  async #isTold(ranges: readonly string[]): Promise<boolean> {
    if (this.#link === undefined) return true
    const isWaiting = () => ranges.some((range) => this.#memory.isUntold(range))
    while (isWaiting()) if (!(await this.#tell(this.#link))) return false // those before it go first
    return true
  }

  /** Tells some of what is untold, the oldest first. @returns whether Redis has confirmed it. Never rejects. */
  #tell(link: BlockLink): Promise<boolean> {
    this.#telling ??= this.#tellSome(link, this.#memory.nextUntold(CHANGES_PER_CALL)).finally(() => {
      this.#telling = undefined
    })
    return this.#telling
  }

  async #tellSome(link: BlockLink, changes: readonly Untold[]): Promise<boolean> {
    if (changes.length === 0) return true
    const found = await link.tell(changes)
    for (const change of changes) {
      if (found === undefined) this.#memory.untoldStill(change)
      else this.#memory.told(change)
    }
    const nowMs = this.#clock.wallMs()
    for (const entry of found ?? []) this.#memory.learn(entry, nowMs)
    return found !== undefined
  }

  /** Learns all that Redis has and this instance has not. @returns whether it has. Never rejects. */
  #ask(link: BlockLink): Promise<boolean> {
    this.#asking ??= this.#askOn(link).finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Goes on where Redis was too slow for a moment; one that is not there is not waited for. */
  async #load(link: BlockLink): Promise<void> {
    let before: number
    do before = this.#reached
    while (!(await this.#ask(link)) && this.#reached > before)
  }

  async #askOn(link: BlockLink): Promise<boolean> {
    this.#isBehind = true
    for (;;) {
      const news = await link.ask(this.#epoch, this.#reached, CHANGES_PER_CALL)
      if (news === undefined) return false
      if (!this.#hasRoomForAll(news.entries)) return false
      if (news.epoch !== this.#epoch) {
        if (this.#epoch !== '') {
          this.#log.warn({ blocks: this.size }, 'redis had lost its blocks: telling those that are known here')
          this.#memory.tellUnblockedAgain()
          this.#tellingFrom = 0
        }
        this.#epoch = news.epoch
      }
      this.#reached = news.reached
      if (news.unreadable.length > 0) {
        this.#log.error({ ranges: news.unreadable.slice(0, 10) }, 'what redis has of these blocks cannot be read')
      }
      const nowMs = this.#clock.wallMs()
      for (const entry of news.entries) this.#memory.learn(entry, nowMs)
      if (!news.isMore) {
        this.#isBehind = false
        return true
      }
      await nextTurn() // requests come first
    }
  }

  /** One line of the log each time there is none; it is asked again later. */
  #hasRoomForAll({ length }: readonly unknown[]): boolean {
    const isFull = !this.hasRoomFor(length)
    if (isFull && !this.#isFull)
      this.#log.error({ blocks: this.size }, 'there are too many blocks: no more are learned')
    this.#isFull = isFull
    return !isFull
  }

  #call(): void {
    this.#isCalled = true
    this.#wake?.()
  }

  async #keepUp(link: BlockLink): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#rest()
      if (this.#stop.signal.aborted) return
      await this.#tellAll(link)
      this.#isCalled = false
      await this.#ask(link)
    }
  }

  /** Until there is something to be learned, or it is time to look whether there is. */
  async #rest(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const startedAtMs = performance.now()
    const isDone = this.untold === 0 && this.#tellingFrom === undefined && !this.#isBehind
    const untilAskedMs = isDone ? this.#pollIntervalMs : Math.min(RETRY_INTERVAL_MS, this.#pollIntervalMs)
    const intervalMs = this.#isCalled ? 0 : untilAskedMs
    const timer = setTimeout(resolve, intervalMs * (0.75 + Math.random() / 2))
    timer.unref()
    this.#wake = resolve
    await promise
    clearTimeout(timer)
    const restedMs = performance.now() - startedAtMs
    if (restedMs < PAUSE_MS && !this.#stop.signal.aborted) await delay(PAUSE_MS - restedMs, undefined, { ref: false })
  }

  async #tellAll(link: BlockLink): Promise<void> {
    while (this.untold > 0 && (await this.#tell(link))) await nextTurn()
    while (this.#tellingFrom !== undefined && !this.#stop.signal.aborted) {
      const { changes, next } = this.#memory.tellAgain(this.#tellingFrom, CHANGES_PER_CALL)
      const found = changes.length === 0 ? [] : await link.tell(changes)
      if (found === undefined) return // from here again, when Redis answers
      this.#tellingFrom = next
      await nextTurn()
    }
  }
}
