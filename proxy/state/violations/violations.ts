import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import { RecentMap } from '#shared/recent-map.ts'
import { SharedCounts } from '#shared/redis/shared-counts.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { IpAddress } from '../../facts/ip-address.ts'
import type { Facts } from '../../layer.ts'
import { clientRange } from '../addresses/client-range.ts'
import type { Block } from '../blocks/block.ts'
import type { BlockOrder } from '../blocks/block-store.ts'
import { nextBlock } from '../blocks/ladder.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import { Evidence } from './evidence.ts'
import { violationsThreshold } from './threshold.ts'
import type { Violation, ViolationSink } from './violation.ts'

/** What the ladder needs of the blocks. */
export interface LadderBlocks {
  isBlocked(address: IpAddress): boolean
  /** How many there are, those included that have passed and are remembered. */
  readonly size: number
  get(range: string): Block | undefined
  changeMark(range: string): number
  block(orders: readonly BlockOrder[]): Promise<unknown>
}

/** Two windows of each; above it the oldest make room. */
const COUNTS_LIMIT = 200_000
/** Of the violations that lead to a block, so many make a client suspicious. */
const SUSPICIOUS_SHARE = 0.5
const SUSPECTS_LIMIT = 200_000
const LADDER_AUTHOR = 'sidegate'

/**
 * Counts the violations of each client in the fleet, and blocks who has too many: the ladder of blocks.
 *
 * The window slides: of the window before, the part counts that it still covers. A client's count begins anew with each
 * block and unblock, and does not grow while it is blocked.
 */
export class Violations implements ViolationSink {
  readonly #blocks: LadderBlocks
  readonly #counts: SharedCounts
  readonly #evidence: Evidence
  /** Who is suspicious, until when, and unless it is blocked or unblocked meanwhile. */
  readonly #suspects = new RecentMap<{ readonly untilMs: number; readonly mark: number }>(SUSPECTS_LIMIT)
  readonly #log: Logger
  readonly #clock: Clock
  readonly #random: () => number
  /** Blocks that this instance has made. */
  blocked = 0
  /** Blocks that it would have made, had there not been too many. */
  unmade = 0
  #isFull = false

  constructor(
    redis: RedisGuard | undefined,
    instanceId: string,
    blocks: LadderBlocks,
    log: Logger,
    clock: Clock = systemClock,
    random: () => number = Math.random,
  ) {
    this.#blocks = blocks
    this.#counts = new SharedCounts(redis, instanceId, { name: 'violations', keysLimit: COUNTS_LIMIT }, clock)
    this.#evidence = new Evidence(redis, clock)
    this.#log = log
    this.#clock = clock
    this.#random = random
  }

  record(facts: Facts, kind: Violation['kind'], what: string): void {
    const { clientIp, policy } = facts
    if (clientIp === undefined || !policy.policy.blocking.isAutomatic) return
    if (policy.neverBlocked.has(clientIp) || this.#blocks.isBlocked(clientIp)) return
    const client = clientRange(clientIp, policy)
    this.#evidence.add(client, {
      ...{ at: new Date(this.#clock.wallMs()).toISOString(), kind, what, method: facts.method, path: facts.path },
      ...(facts.route !== undefined && { route: facts.route.name }),
    })
    const count = this.#add(client, policy, 1)
    const threshold = violationsThreshold(policy.policy, facts.emergency)
    if (count >= threshold) this.#block(client, facts, count)
    else if (count >= threshold * SUSPICIOUS_SHARE) {
      this.#suspect(client, this.#clock.wallMs() + policy.policy.blocking.windowSeconds * 1_000)
    }
  }

  isSuspicious({ clientIp, policy }: Facts): boolean {
    if (this.#suspects.size === 0 || clientIp === undefined) return false
    const client = clientRange(clientIp, policy)
    const suspect = this.#suspects.get(client)
    if (suspect === undefined) return false
    if (suspect.untilMs > this.#clock.wallMs() && suspect.mark === this.#blocks.changeMark(client)) return true
    this.#suspects.delete(client)
    return false
  }

  /** In the window, in the fleet, as far as is known here; what leads to a block. */
  count(client: string, policy: Pick<CompiledPolicy, 'policy'>): number {
    return Math.floor(this.#add(client, policy, 0))
  }

  /** The last ones of a client that this instance has refused. */
  recent(client: string): readonly Violation[] {
    return this.#evidence.recent(client)
  }

  /** Those that led to the block of a client. Never rejects. */
  evidence(client: string): Promise<readonly Violation[]> {
    return this.#evidence.of(client)
  }

  close(): Promise<void> {
    return this.#counts.close()
  }

  #add(client: string, { policy }: Pick<CompiledPolicy, 'policy'>, amount: 0 | 1): number {
    const windowMs = policy.blocking.windowSeconds * 1_000
    const nowMs = this.#clock.wallMs()
    const window = Math.floor(nowMs / windowMs)
    // After a block or an unblock, or with another length of the window, other counts.
    const name = `${client} ${this.#blocks.changeMark(client)} ${windowMs}`
    const current = this.#counts.add(`${name} ${window}`, amount, 2 * windowMs)
    const before = this.#counts.add(`${name} ${window - 1}`, 0, windowMs)
    return current + before * (1 - (nowMs - window * windowMs) / windowMs)
  }

  #suspect(client: string, untilMs: number): void {
    this.#suspects.set(client, { untilMs, mark: this.#blocks.changeMark(client) })
  }

  /** One line of the log each time there are too many. */
  #hasRoom(limit: number): boolean {
    const isFull = this.#blocks.size >= limit
    if (isFull && !this.#isFull) {
      this.#log.error(
        { blocks: this.#blocks.size, limit },
        'there are too many blocks: no client is blocked automatically',
      )
    }
    this.#isFull = isFull
    return !isFull
  }

  #block(client: string, facts: Facts, count: number): void {
    const { blocking } = facts.policy.policy
    if (!this.#hasRoom(blocking.automaticLimit)) {
      this.unmade++
      return
    }
    const nowMs = this.#clock.wallMs()
    const next = nextBlock(blocking, this.#blocks.get(client), nowMs, this.#random())
    const reason = `${Math.floor(count)} violations in ${blocking.windowSeconds} s`
    void this.#blocks.block([{ range: client, source: 'auto', author: LADDER_AUTHOR, reason, ...next }])
    this.#evidence.keep(client, next.untilMs - nowMs)
    this.#suspect(client, next.forgetAtMs)
    this.blocked++
    this.#log.warn(
      { block: client, until: new Date(next.untilMs).toISOString(), inARow: next.count, violations: Math.floor(count) },
      'client blocked',
    )
  }
}
