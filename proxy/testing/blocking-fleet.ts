import type { Clock } from '#shared/clock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { connectedGuard, guardOf, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import type { RedisProcess } from '#shared/testing/redis-process.ts'
import { parseAddress } from '../facts/ip-address.ts'
import { BlockStore } from '../state/blocks/block-store.ts'
import { Violations } from '../state/violations/violations.ts'
import type { TestPolicies } from './policies.ts'
import { startProxy, type TestProxy } from './start-proxy.ts'

/** No call is given up by a busy machine, and a Redis that hangs is missed all the same. */
const PATIENT_MS = 1_000

interface Instance {
  readonly guard: RedisGuard
  readonly blocks: BlockStore
  readonly violations: Violations
  readonly proxy: TestProxy
}

export interface FleetSettings {
  readonly redis: RedisProcess
  readonly upstreamUrl: string
  readonly policies: TestPolicies
  readonly clock: Clock
  /** No two fleets have the same keys. */
  readonly service: string
}

/** Whole proxies in this process, that share a Redis and a policy: each with its sockets, its guard and its blocks. */
export class BlockingFleet {
  readonly #settings: FleetSettings
  readonly #instances: Instance[] = []

  private constructor(settings: FleetSettings) {
    this.#settings = settings
  }

  static async start(size: number, settings: FleetSettings): Promise<BlockingFleet> {
    const fleet = new BlockingFleet(settings)
    for (let index = 0; index < size; index++) fleet.#instances.push(await fleet.#startOne(true))
    return fleet
  }

  get size(): number {
    return this.#instances.length
  }

  blocks(index: number): BlockStore {
    return this.#instance(index).blocks
  }

  /** What this instance would answer, as far as its blocks go. */
  isBlocked(index: number, address: string): boolean {
    const ip = parseAddress(address)
    return ip !== undefined && this.#instance(index).blocks.isBlocked(ip)
  }

  /** A request over a socket of its own kind, by way of a proxy that is trusted. */
  async ask(index: number, address: string, path: string): Promise<number> {
    const headers = { 'X-Forwarded-For': address, 'X-Api-Key': 'one for all' }
    const reply = await fetch(`${this.#instance(index).proxy.origin}${path}`, { headers })
    await reply.arrayBuffer()
    return reply.status
  }

  async restart(index: number, isRedisThere: boolean): Promise<void> {
    await stop(this.#instance(index))
    this.#instances[index] = await this.#startOne(isRedisThere)
  }

  async lose(outage: 'killed' | 'frozen'): Promise<void> {
    const { redis } = this.#settings
    if (outage === 'killed') await redis.kill()
    else redis.freeze()
    await eventually('all miss redis', () => this.#instances.every(({ guard }) => guard.isImpaired))
  }

  async recover(outage: 'killed' | 'frozen'): Promise<void> {
    const { redis } = this.#settings
    if (outage === 'killed') await redis.start()
    else redis.thaw()
    await eventually('all have redis', () => this.#instances.every(({ guard }) => !guard.isImpaired))
  }

  get isAllTold(): boolean {
    return this.#instances.every(({ blocks }) => blocks.untold === 0)
  }

  async close(): Promise<void> {
    for (const instance of this.#instances.splice(0)) await stop(instance)
  }

  async #startOne(isRedisThere: boolean): Promise<Instance> {
    const { redis, upstreamUrl, policies, clock, service } = this.#settings
    const target = singleTarget(redis.port)
    const guard = isRedisThere
      ? await connectedGuard(target, service, PATIENT_MS)
      : guardOf(target, service, PATIENT_MS)
    const blocks = new BlockStore(guard, quietLog, clock, { pollIntervalMs: 100 })
    const violations = new Violations(guard, 'instance', blocks, quietLog, clock)
    await blocks.open()
    const shared = { redis: guard, blocks, violations, clock }
    const proxy = await startProxy(upstreamUrl, { ACCESS_LOG: 'off' }, policies, shared)
    return { guard, blocks, violations, proxy }
  }

  #instance(index: number): Instance {
    return this.#instances[index] as Instance
  }
}

const stop = async ({ guard, blocks, violations, proxy }: Instance): Promise<void> => {
  await proxy.close()
  await proxy.limits.close()
  await violations.close()
  blocks.close()
  guard.close()
}
