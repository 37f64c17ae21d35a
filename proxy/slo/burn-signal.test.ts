import { afterEach, describe, expect, it } from 'vitest'
import { SharedCounts } from '#shared/redis/shared-counts.ts'
import { connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../deploy/local/ports.ts'
import type { Outcome } from '../outcome.ts'
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

const outcome = (kind: Outcome['kind'], status: number): Outcome => ({
  ...{ kind, status, refusal: undefined, durationMs: 1, bodyBytes: 0 },
})

const count = (signal: BurnSignal, version: number, times: number, of: Outcome): void => {
  for (let time = 0; time < times; time++) signal.count(version, of)
}

describe('the burn of a version', () => {
  it.each([
    [outcome('replied', 200), 0],
    [outcome('replied', 404), 0],
    [outcome('replied', 500), 1],
    [outcome('refused', 429), 1],
    [outcome('refused', 502), 1],
    [outcome('cut', 200), 1],
    [outcome('answered', 503), 0],
    [outcome('client-abort', 499), 0],
  ])('counts %o as %d', (of, badShare) => {
    const signal = alone()
    count(signal, 1, 4, of)
    expect(signal.of(1, clock.nowMs)).toEqual({ requests: 4, badShare })
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

  it('is that of the fleet', async () => {
    const redis = await new RedisProcess(await freePort()).start()
    closing.push(() => redis.close())
    const instances = await Promise.all(
      ['a', 'b'].map(async (name) => {
        const guard = await connectedGuard(singleTarget(redis.port), 'burn')
        const counts = new SharedCounts(guard, name, { name: 'burn', flushIntervalMs: 10, keysLimit: 1_000 })
        closing.push(
          () => guard.close(),
          () => counts.close(),
        )
        return signalOn(counts)
      }),
    )
    const [one, other] = instances as [BurnSignal, BurnSignal]
    count(one, 1, 30, outcome('replied', 200))
    count(other, 1, 10, outcome('refused', 429))
    await expect
      .poll(() => instances.map((signal) => signal.of(1, START_MS)))
      .toEqual([
        { requests: 40, badShare: 0.25 },
        { requests: 40, badShare: 0.25 },
      ])
  })
})
