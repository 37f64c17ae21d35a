import { afterEach, describe, expect, it } from 'vitest'
import { SharedCounts } from '#shared/redis/shared-counts.ts'
import { connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../deploy/local/ports.ts'
import type { Outcome } from '../outcome.ts'
import { type RefusalKind, refusal } from '../refusal.ts'
import { BurnSignal } from './burn-signal.ts'

const MINUTE_MS = 60_000
const START_MS = 1_000 * MINUTE_MS

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const clock = { nowMs: START_MS, wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs }

const signalOn = (counts: SharedCounts): BurnSignal => {
  clock.nowMs = START_MS
  const signal = new BurnSignal(counts, clock)
  closing.push(() => signal.close())
  return signal
}

const alone = () => signalOn(new SharedCounts(undefined, 'a', { name: 'burn', keysLimit: 1_000 }))

const outcome = (kind: Outcome['kind'], status: number, refused?: RefusalKind): Outcome => ({
  ...{ kind, status, refusal: refused && refusal(refused), durationMs: 1, bodyBytes: 0 },
})

const count = (signal: BurnSignal, version: number, times: number, of: Outcome): void => {
  for (let time = 0; time < times; time++) signal.count(version, of)
}

describe('the burn of a version', () => {
  it.each([
    [outcome('replied', 200), 0],
    [outcome('replied', 404), 0],
    [outcome('replied', 500), 1],
    [outcome('refused', 429, 'rate-limited'), 1],
    [outcome('refused', 502, 'upstream-failed'), 1],
    [outcome('refused', 500, 'internal-error'), 1],
    [outcome('cut', 200, 'upstream-failed'), 1],
  ])('counts %o as %d', (of, badShare) => {
    const signal = alone()
    count(signal, 1, 4, of)
    expect(signal.of(1, clock.nowMs)).toEqual({ requests: 4, badShare })
  })

  it.each([
    [outcome('answered', 503)],
    [outcome('client-abort', 499)],
    [outcome('refused', 400, 'malformed-request')],
    [outcome('refused', 501, 'tunnel-refused')],
    [outcome('cut', 200, 'request-timeout')],
  ])('has no part of what anyone can send as often as they like: %o', (of) => {
    const signal = alone()
    count(signal, 1, 4, of)
    expect(signal.of(1, clock.nowMs)).toEqual({ requests: 0, badShare: 0 })
  })

  it('is none where there were no requests', () => {
    expect(alone().of(1, clock.nowMs)).toEqual({ requests: 0, badShare: 0 })
  })

  it('is its own, also while requests of two versions end in turns', () => {
    const signal = alone()
    for (let time = 0; time < 10; time++) {
      count(signal, 1, 1, outcome('replied', 200))
      count(signal, 2, 1, outcome('replied', 500))
      if (time % 3 === 0) signal.tell()
    }
    expect(signal.of(1, clock.nowMs)).toEqual({ requests: 10, badShare: 0 })
    expect(signal.of(2, clock.nowMs)).toEqual({ requests: 10, badShare: 1 })
  })

  it('is that of the minutes that are asked for', () => {
    const signal = alone()
    count(signal, 1, 30, outcome('replied', 500))
    signal.tell()
    clock.nowMs += 5 * MINUTE_MS
    count(signal, 1, 10, outcome('replied', 200))
    expect(signal.of(1, clock.nowMs)).toEqual({ requests: 10, badShare: 0 })
    expect(signal.of(1, START_MS)).toEqual({ requests: 40, badShare: 0.75 })
  })

  it('is that of the fleet, also for one who asks for the first time', async () => {
    const redis = await new RedisProcess(await freePort()).start()
    closing.push(() => redis.close())
    const join = async (name: string, flushIntervalMs: number): Promise<BurnSignal> => {
      const guard = await connectedGuard(singleTarget(redis.port), 'burn')
      const counts = new SharedCounts(guard, name, { name: 'burn', flushIntervalMs, keysLimit: 1_000 })
      closing.push(
        () => guard.close(),
        () => counts.close(),
      )
      return signalOn(counts)
    }
    const instances = [await join('a', 10), await join('b', 10)] as const
    count(instances[0], 1, 30, outcome('replied', 200))
    count(instances[1], 1, 10, outcome('refused', 429, 'rate-limited'))
    const all = { requests: 40, badShare: 0.25 }
    await expect.poll(() => instances.map((signal) => signal.of(1, START_MS))).toEqual([all, all])
    const late = await join('c', 60_000)
    expect(await late.latest(1, START_MS)).toEqual(all)
  })
})
