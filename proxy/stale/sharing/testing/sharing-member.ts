import { expect, onTestFinished } from 'vitest'
import type { RedisTarget } from '#shared/redis/settings.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { guardOf, quietLog } from '#shared/testing/redis-guards.ts'
import { Purges } from '../../../cdn/purge/purges.ts'
import { RedisPurgeLedger } from '../../../cdn/purge/redis-purge-ledger.ts'
import { TestPolicies } from '../../../testing/policies.ts'
import { AppliedPurges } from '../../applied-purges.ts'
import type { KeptReply } from '../../kept-reply.ts'
import { StaleStore } from '../../stale-store.ts'
import { SharedReplies } from '../shared-replies.ts'

const MEBIBYTE = 1_048_576

export const policyWith = (sharedBytes: number) =>
  new TestPolicies({
    routes: { all: { match: { path: '/*' }, stale: { keepSeconds: 600 } } },
    stale: { storeBytes: 4 * MEBIBYTE, sharedBytes },
  })

let instances = 0

/** What one instance has of stale replies, and nothing else of it. */
export class SharingMember {
  readonly store = new StaleStore()
  readonly applied = new AppliedPurges(this.store)
  readonly guard: RedisGuard
  readonly purges: Purges
  readonly sharing: SharedReplies
  readonly policies: TestPolicies
  nowMs = 0

  private constructor(guard: RedisGuard, sharedBytes: number) {
    this.guard = guard
    this.policies = policyWith(sharedBytes)
    const clock = { wallMs: () => Date.now(), monotonicMs: () => this.nowMs }
    this.purges = new Purges(new RedisPurgeLedger(guard, `instance-${instances++}`), this.applied, quietLog)
    this.sharing = new SharedReplies(guard, this, quietLog, clock)
  }

  /** Until the test is over. */
  static async start(target: RedisTarget, service: string, sharedBytes = 64 * MEBIBYTE): Promise<SharingMember> {
    const guard = guardOf(target, service, 20_000) // no call is given up by a busy machine
    const member = new SharingMember(guard, sharedBytes)
    onTestFinished(() => member.leave())
    await eventually('it is connected', () => !guard.isImpaired)
    await member.purges.learn()
    await member.sharing.work()
    return member
  }

  keep(path: string, text = path, more: Partial<KeptReply> = {}): void {
    const reply: KeptReply = {
      ...{ status: 200, statusText: 'OK', headers: ['Content-Type', 'text/plain'], body: Buffer.from(text) },
      ...{ pathAndQuery: path, tags: [`tag-of-${path}`], vary: [], receivedAtMs: this.nowMs, ageSeconds: 0 },
      ...{ freshSeconds: undefined, servableSeconds: Number.POSITIVE_INFINITY, kind: 'other', isSaid: true },
      ...more,
    }
    this.store.put(path, reply, this.policies.active.policy.stale.storeBytes)
  }

  textOf(path: string): string | undefined {
    return this.store.peek(path)?.replies[0]?.body.toString()
  }

  async purge(kind: 'url' | 'tag' | 'prefix' | 'everything', values: readonly string[]): Promise<void> {
    expect(await this.purges.order({ kind, values, isSoft: true, author: 'alice' }, false)).toBeDefined()
  }

  /** Until nothing waits to be written. */
  async shareAll(): Promise<void> {
    let before: number
    do {
      before = this.sharing.counts.shared
      await this.sharing.work()
    } while (this.sharing.counts.shared > before)
  }

  #isGone = false
  /** What it has not shared yet, nobody hears of. */
  async leave(): Promise<void> {
    if (this.#isGone) return
    this.#isGone = true
    await this.purges.close() // else purges would wait for it
    this.guard.close() // and nobody is told anything any more
  }
}
