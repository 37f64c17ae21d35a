import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Clock } from '#shared/clock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { guardOf, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../deploy/local/ports.ts'
import { BlockStore } from './state/blocks/block-store.ts'
import { Violations } from './state/violations/violations.ts'
import { TestPolicies } from './testing/policies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

const INSTANCES = 3
/** Few, so that what happens to one happens to it again. */
const ADDRESSES = ['198.51.100.1', '198.51.100.2', '2001:db8:0:1::1'] as const
/** By address, the ranges that cover it: each is checked by hand. */
const COVERED_BY: Readonly<Record<string, readonly string[]>> = {
  '198.51.100.1': ['198.51.100.1', '198.51.100.0/24'],
  '198.51.100.2': ['198.51.100.2', '198.51.100.0/24'],
  '2001:db8:0:1::1': ['2001:db8:0:1::/64'],
}
const RANGES = [...new Set(Object.values(COVERED_BY).flat())]
/** The range that counts as one client. */
const clientOf = (address: string): string => COVERED_BY[address]?.[0] as string
const VIOLATIONS = 3
const FOREVER = Number.POSITIVE_INFINITY

const policy = (allow: readonly string[]) => ({
  trustedProxies: { ranges: ['127.0.0.0/8'] },
  routes: { limited: { match: { path: '/limited' }, limits: ['one'] } },
  limits: { one: { requests: 1, perSeconds: 86_400 } },
  blocking: { allow, violations: VIOLATIONS, windowSeconds: 3_600, firstBlockSeconds: 100, forgetAfterSeconds: 100 },
})

let redis: RedisProcess
let app: TestUpstream
beforeAll(async () => {
  redis = await new RedisProcess(await freePort()).start()
  app = await startUpstream((request, response) => {
    request.resume().on('end', () => response.end('ok'))
  })
})
afterAll(async () => {
  await app.close()
  await redis.close()
})

/** What one instance has been told, or has decided: the model's, which knows nothing of how it is kept. */
interface Known {
  readonly blocks: Map<string, KnownBlock>
  /** By range, the youngest block that an unblock has ended; all that are older are ended with it. */
  readonly ended: Map<string, number>
}

/** Its end is one of the two: they differ where it is left open which (see `merge`). */
interface KnownBlock {
  readonly id: number
  readonly untilMs: number
  readonly orUntilMs: number
}

const nothing = (): Known => ({ blocks: new Map(), ended: new Map() })

/**
 * What all know of a range, of what each has known of it. Of two blocks the later end counts. An unblock ends those that its
 * author knew of or that are older. Where a younger one survives it, an older one that lasts longer may have been joined
 * to that one before the unblock was heard of: whether it survives is left open.
 */
const merge = (all: readonly Known[], range: string): { readonly block?: KnownBlock; readonly ended: number } => {
  const ended = Math.max(0, ...all.map((one) => one.ended.get(range) ?? 0))
  const blocks = all.flatMap((one) => one.blocks.get(range) ?? [])
  const surviving = blocks.filter(({ id }) => id > ended)
  if (surviving.length === 0) return { ended }
  const block = {
    id: Math.max(...surviving.map(({ id }) => id)),
    untilMs: Math.max(...surviving.map(({ untilMs }) => untilMs)),
    orUntilMs: Math.max(...blocks.map(({ orUntilMs }) => orUntilMs)),
  }
  return { block, ended: 0 }
}

/**
 * What should be so. While Redis is there, what is done anywhere is known everywhere. Without it each instance goes on with what
 * it knows; afterwards all that anyone has survives, but for what anyone has ended.
 */
class Model {
  nowMs = Date.now()
  allow: readonly string[] = []
  isConnected = true
  readonly known: Known[] = Array.from({ length: INSTANCES }, nothing)
  #ids = 0

  /** Undefined where it is left open. */
  isBlocked(instance: number, address: string): boolean | undefined {
    if (this.allow.includes(address)) return false
    const { blocks } = this.known[instance] as Known
    const covering = (COVERED_BY[address] ?? []).flatMap((range) => blocks.get(range) ?? [])
    if (covering.some(({ untilMs }) => untilMs > this.nowMs)) return true
    return covering.some(({ orUntilMs }) => orUntilMs > this.nowMs) ? undefined : false
  }

  /** Whether there is a block of exactly this range: one that has passed may be forgotten at any time. */
  has(instance: number, range: string): boolean {
    return (this.known[instance]?.blocks.get(range)?.untilMs ?? 0) > this.nowMs
  }

  block(instance: number, range: string, untilMs: number): void {
    const id = ++this.#ids
    for (const { blocks, ended } of this.#reached(instance)) {
      blocks.set(range, { id, untilMs, orUntilMs: untilMs })
      ended.delete(range)
    }
  }

  unblock(instance: number, range: string): void {
    const seen = this.known[instance]?.blocks.get(range)
    if (seen === undefined) return
    for (const { blocks, ended } of this.#reached(instance)) {
      blocks.delete(range)
      ended.set(range, seen.id)
    }
  }

  restart(instance: number): void {
    const other = this.known[(instance + 1) % INSTANCES] as Known
    this.known[instance] = this.isConnected ? structuredClone(other) : nothing()
  }

  reconnect(): void {
    this.isConnected = true
    const merged = nothing()
    for (const range of RANGES) {
      const { block, ended } = merge(this.known, range)
      if (block !== undefined) merged.blocks.set(range, block)
      if (ended > 0) merged.ended.set(range, ended)
    }
    for (const [index] of this.known.entries()) this.known[index] = structuredClone(merged)
  }

  #reached(instance: number): readonly Known[] {
    return this.isConnected ? this.known : [this.known[instance] as Known]
  }
}

/** A proxy with all that it needs for blocks, in this process and over real sockets. */
class Instance {
  readonly guard: RedisGuard
  readonly blocks: BlockStore
  readonly #violations: Violations
  readonly #policies: TestPolicies
  readonly #proxy: TestProxy

  private constructor(
    guard: RedisGuard,
    blocks: BlockStore,
    violations: Violations,
    policies: TestPolicies,
    proxy: TestProxy,
  ) {
    this.guard = guard
    this.blocks = blocks
    this.#violations = violations
    this.#policies = policies
    this.#proxy = proxy
  }

  static async start(service: string, model: Model): Promise<Instance> {
    const clock: Clock = { wallMs: () => model.nowMs, monotonicMs: () => performance.now() }
    // No call is given up by a busy machine: a Redis that is gone refuses at once.
    const guard = guardOf(singleTarget(redis.port), service, 20_000)
    if (model.isConnected) await eventually('it is connected', () => !guard.isImpaired)
    const blocks = new BlockStore(guard, quietLog, clock, { pollIntervalMs: 200 })
    await blocks.open()
    const violations = new Violations(undefined, 'i', blocks, quietLog, clock)
    const policies = new TestPolicies(policy(model.allow))
    const proxy = await startProxy(app.url, { ACCESS_LOG: 'off' }, policies, { blocks, violations })
    return new Instance(guard, blocks, violations, policies, proxy)
  }

  allow(allow: readonly string[]): void {
    this.#policies.change(policy(allow))
  }

  async ask(path: '/free' | '/limited', address: string): Promise<number> {
    const reply = await fetch(`${this.#proxy.origin}${path}`, { headers: { 'X-Forwarded-For': address } })
    await reply.text()
    return reply.status
  }

  /** As a crash does: nobody is told anything any more. */
  async crash(): Promise<void> {
    this.guard.close()
    this.blocks.close()
    await this.#violations.close()
    await this.#proxy.close()
  }
}

const by = fc.nat(INSTANCES - 1)
const range = fc.constantFrom(...RANGES)
const address = fc.constantFrom(...ADDRESSES)
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('block' as const),
      ...{ by, range, seconds: fc.constantFrom(30, 300, FOREVER) },
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('unblock' as const), by, range }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('violate' as const), by, address }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), seconds: fc.constantFrom(10, 40, 150) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('allow' as const), addresses: fc.subarray([...ADDRESSES]) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), by }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'regain' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

let services = 0

class Run {
  readonly model = new Model()
  readonly #service = `property-7-${services++}`
  readonly #instances: Instance[] = []

  async start(): Promise<void> {
    for (let index = 0; index < INSTANCES; index++)
      this.#instances.push(await Instance.start(this.#service, this.model))
  }

  async do(one: Step): Promise<void> {
    const { model } = this
    model.nowMs += 10 // two changes of a range within one millisecond could not be told apart
    switch (one.do) {
      case 'block': {
        const untilMs = model.nowMs + one.seconds * 1_000
        const times = { sinceMs: model.nowMs, untilMs, forgetAtMs: untilMs }
        const order = { range: one.range, source: 'manual', author: 'alice', reason: '', count: 1, ...times } as const
        await this.#of(one.by).blocks.block([order])
        return model.block(one.by, one.range, untilMs)
      }
      case 'unblock':
        if (!model.has(one.by, one.range)) return
        await this.#of(one.by).blocks.unblock([one.range])
        return model.unblock(one.by, one.range)
      case 'violate':
        return this.#violate(one.by, one.address)
      case 'pass':
        model.nowMs += one.seconds * 1_000
        return
      case 'allow':
        model.allow = one.addresses
        for (const instance of this.#instances) instance.allow(one.addresses)
        return
      case 'restart':
        await this.#of(one.by).crash()
        model.restart(one.by)
        this.#instances[one.by] = await Instance.start(this.#service, model)
        return
      case 'lose':
        if (!model.isConnected) return
        await redis.kill()
        await eventually('all have lost it', () => this.#instances.every(({ guard }) => guard.isImpaired))
        model.isConnected = false
        return
      case 'regain':
        return this.regain()
    }
  }

  async regain(): Promise<void> {
    if (this.model.isConnected) return
    await redis.start() // empty
    this.model.reconnect()
    await eventually('all are connected', () => this.#instances.every(({ guard }) => !guard.isImpaired))
  }

  /** Every address is refused where it should be, and nowhere else; what takes a moment to get about is waited for. */
  async check(after: string): Promise<void> {
    const seen = async () => {
      const statuses: boolean[] = []
      for (const instance of this.#instances) {
        for (const one of ADDRESSES) statuses.push((await instance.ask('/free', one)) === 403)
      }
      return statuses
    }
    const wanted = this.#instances.flatMap((_, index) => ADDRESSES.map((one) => this.model.isBlocked(index, one)))
    let found: boolean[] = []
    const agrees = async () => {
      found = await seen()
      return found.every((isBlocked, index) => isBlocked === (wanted[index] ?? isBlocked))
    }
    await eventually('all agree', agrees).catch(() => expect(found, after).toEqual(wanted))
    // An unblock is of the block that it has seen: all must have seen the last one before the next step.
    if (this.model.isConnected) await eventually('all have the same blocks', () => this.#isSettled())
  }

  #isSettled(): boolean {
    const holding = (instance: Instance) =>
      RANGES.map((one) => {
        const block = instance.blocks.get(one)
        return block === undefined || block.untilMs <= this.model.nowMs ? '' : `${block.stamp} ${block.untilMs}`
      }).join()
    const [first = '', ...others] = this.#instances.map(holding)
    return others.every((other) => other === first) && this.#instances.every(({ blocks }) => blocks.untold === 0)
  }

  async close(): Promise<void> {
    for (const instance of this.#instances) await instance.crash()
  }

  /** One client sends more than its limit allows, again and again, to one instance. */
  async #violate(index: number, client: string): Promise<void> {
    const { model } = this
    const instance = this.#of(index)
    const isBlockedBefore = model.isBlocked(index, client) ?? (await instance.ask('/free', client)) === 403
    const ended = instance.blocks.get(clientOf(client))
    const statuses: number[] = []
    for (let time = 0; time < 3 * VIOLATIONS; time++) statuses.push(await instance.ask('/limited', client))
    if (isBlockedBefore) {
      expect(statuses.every((status) => status === 403)).toBe(true)
      expect(instance.blocks.get(clientOf(client)), 'own refusals feed nothing').toEqual(ended)
      return
    }
    const limited = statuses.filter((status) => status === 429).length
    if (model.allow.includes(client)) {
      expect(statuses).not.toContain(403)
      return
    }
    expect(statuses.at(-1)).toBe(403)
    expect(limited, 'no block before there were so many violations').toBeGreaterThanOrEqual(1)
    expect(limited).toBeLessThanOrEqual(VIOLATIONS)
    const block = instance.blocks.get(clientOf(client))
    expect(block).toMatchObject({ source: 'auto', author: 'sidegate' })
    model.block(index, clientOf(client), block?.untilMs ?? 0)
  }

  #of(index: number): Instance {
    return this.#instances[index] as Instance
  }
}

describe('Property 7: IP Blocking Enforcement', () => {
  it('who is blocked is refused everywhere until the end or the unblock, and nobody else ever', {
    timeout: 240_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 24, size: 'max' }), async (steps) => {
        const run = new Run()
        await run.start()
        try {
          for (const [index, one] of steps.entries()) {
            await run.do(one)
            await run.check(`after step ${index}, ${JSON.stringify(one)}`)
          }
          await run.regain()
          await run.check('at the end')
        } finally {
          await run.regain()
          await run.close()
        }
      }),
      { numRuns: 12, endOnFailure: true },
    )
  })
})
