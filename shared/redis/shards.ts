import calculateSlot from 'cluster-key-slot'
import { Cluster } from 'ioredis'
import type { Clock } from '../clock.ts'
import { Circuit } from './circuit.ts'
import type { RedisClient } from './client.ts'

/** A part of Redis that fails as one: the server, or one master of a cluster. */
export interface Shard {
  readonly name: string
  readonly circuit: Circuit
  /** What it was told last to keep, and under which key; undefined where it may be another server by now, or may not know. */
  mark: { readonly key: string; readonly value: string } | undefined
  probe: NodeJS.Timeout | undefined
  probeDelayMs: number
}

const SLOTS = 16_384

/** A server; or a cluster, as long as it has not told who has which keys. */
const WHOLE = 'redis'
/** Why the whole is not asked before its first probe. */
export const NOT_YET = 'not connected yet'

/** Which part of Redis has a key. */
export class Shards {
  /** Of a cluster: whether its masters are known at all. */
  readonly whole: Shard
  readonly #client: RedisClient
  readonly #clock: Clock
  readonly #masters = new Map<string, Shard>()

  constructor(client: RedisClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
    const circuit = new Circuit('open', clock.monotonicMs(), NOT_YET)
    this.whole = { name: WHOLE, circuit, mark: undefined, probe: undefined, probeDelayMs: 0 }
  }

  /** The master that has `key` by the table of slots, which the client keeps up to date. */
  of(key: string): Shard {
    if (!(this.#client instanceof Cluster) || this.whole.circuit.state === 'open') return this.whole
    const name = this.#client.slots[calculateSlot(key)]?.[0]
    if (name === undefined) return this.whole
    const known = this.#masters.get(name)
    if (known !== undefined) return known
    const circuit = new Circuit('closed', this.#clock.monotonicMs())
    const shard: Shard = { name, circuit, mark: undefined, probe: undefined, probeDelayMs: 0 }
    this.#forgetMastersOfOld(this.#client)
    this.#masters.set(name, shard)
    return shard
  }

  /**
   * A key that is on this shard now: slots move.
   *
   * @param keyOf makes a key out of what stands in its braces
   */
  keyOn({ name }: Shard, keyOf: (tag: string) => string): string {
    if (!(this.#client instanceof Cluster)) return keyOf('0')
    for (let tag = 0; tag < SLOTS; tag++) {
      if (this.#client.slots[calculateSlot(keyOf(String(tag)))]?.[0] === name) return keyOf(String(tag))
    }
    return keyOf('0') // it has no slot any more
  }

  all(): Shard[] {
    return [this.whole, ...this.#masters.values()]
  }

  /** Which have failed over: nobody waits for them to come back. */
  #forgetMastersOfOld({ slots }: Cluster): void {
    const masters = new Set(slots.map((nodes) => nodes[0]))
    for (const [name, shard] of this.#masters) {
      if (masters.has(name)) continue
      clearTimeout(shard.probe)
      this.#masters.delete(name)
    }
  }
}
