import { afterEach, describe, expect, it } from 'vitest'
import { SharedCounts } from '#shared/redis/shared-counts.ts'
import { connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import type { Outcome } from '../../outcome.ts'
import { type RefusalKind, refusal } from '../../refusal.ts'
import { busyMeter, EmergencySignals } from './signals.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const clock = { nowMs: 0, wallMs: () => 7_000_000 + clock.nowMs, monotonicMs: () => clock.nowMs }

const alone = (size = 1) => {
  clock.nowMs = 0
  const counts = new SharedCounts(undefined, 'a', { name: 'emergency', keysLimit: 200 }, clock)
  return new EmergencySignals(counts, { isHeard: false, size }, clock)
}

const outcome = (kind: Outcome['kind'], status: number, refused?: RefusalKind): Outcome => ({
  ...{ kind, status, refusal: refused && refusal(refused), durationMs: 1, bodyBytes: 0 },
})

const count = (signals: EmergencySignals, times: number, of: Outcome, isAppGivenRest = false): void => {
  for (let time = 0; time < times; time++) signals.count(of, isAppGivenRest)
}

const load = (busy: number, queue: number) => ({ busyShare: () => busy, queueShare: () => queue })
const NONE = { violationsPerSecond: 0, requests: 0, errorShare: 0, busyShare: 0, queueShare: 0 }

describe('the signals of an emergency', () => {
  it.each<[Outcome, number]>([
    [outcome('replied', 200), 0],
    [outcome('replied', 404), 0],
    [outcome('replied', 500), 1],
    [outcome('refused', 502, 'upstream-failed'), 1],
    [outcome('refused', 504, 'upstream-timeout'), 1],
    [outcome('cut', 200, 'upstream-failed'), 1],
  ])('have %o as a request of which the app has failed at %d', (of, errorShare) => {
    const signals = alone()
    count(signals, 8, of)
    signals.take(undefined)
    expect(signals.now()).toEqual({ ...NONE, requests: 8, errorShare })
  })

  it.each<[Outcome, number]>([
    [outcome('replied', 200), 8],
    [outcome('replied', 500), 0],
    [outcome('refused', 504, 'upstream-timeout'), 0],
    [outcome('refused', 503, 'circuit-open'), 0],
    [outcome('stale', 200, 'circuit-open'), 0],
  ])('have, while the app is given a rest, %o as %d requests that it has not failed at', (of, requests) => {
    const signals = alone()
    count(signals, 8, of, true)
    signals.take(undefined)
    expect(signals.now()).toEqual({ ...NONE, requests })
  })

  it.each<[Outcome]>([
    [outcome('answered', 503)],
    [outcome('client-abort', 499)],
    [outcome('refused', 503, 'shed')],
    [outcome('refused', 503, 'upstream-busy')],
    [outcome('stale', 200)],
    [outcome('refused', 400, 'malformed-request')],
    [outcome('refused', 500, 'internal-error')],
    [outcome('cut', 200, 'request-timeout')],
  ])('have nothing to do with %o', (of) => {
    const signals = alone()
    count(signals, 8, of)
    signals.take(undefined)
    expect(signals.now()).toEqual(NONE)
  })

  it('have what a limit refused as a violation, and as no failure of the app', () => {
    const signals = alone()
    count(signals, 80, outcome('refused', 429, 'rate-limited'))
    signals.take(undefined)
    expect(signals.now()).toEqual({ ...NONE, violationsPerSecond: 10 })
  })

  it('are those of the last ten seconds', () => {
    const signals = alone()
    count(signals, 40, outcome('refused', 429, 'rate-limited'))
    signals.take(undefined)
    clock.nowMs += 5_000
    count(signals, 50, outcome('replied', 500))
    signals.take(undefined)
    expect(signals.now()).toEqual({ ...NONE, violationsPerSecond: 40 / 9, requests: 50, errorShare: 1 })
    clock.nowMs += 5_000
    signals.take(undefined)
    expect(signals.now()).toEqual({ ...NONE, requests: 50, errorShare: 1 })
    clock.nowMs += 60_000
    expect(signals.now()).toEqual(NONE)
  })

  it('have the load of these seconds as a mean, but for that of a start, and none of a moment', () => {
    const signals = alone()
    const sharesAfter = (looks: number, found: ReturnType<typeof load>) => {
      for (let look = 0; look < looks; look++) {
        clock.nowMs += 500
        signals.take(found)
      }
      const { busyShare, queueShare } = signals.now()
      return [busyShare, queueShare]
    }
    expect(sharesAfter(19, load(1, 1))).toEqual([0, 0])
    expect(sharesAfter(1, load(1, 0.5))).toEqual([0.1, 0.05])
    expect(sharesAfter(9, load(1, 0.5))).toEqual([1, 0.5])
    expect(sharesAfter(100, load(0.25, 0))).toEqual([0.25, 0])
    expect(sharesAfter(10, load(0.75, 0))[0]).toBeGreaterThan(0.45)
  })

  it('are taken for the share of an instance, where the others are not heard', () => {
    const signals = alone(4)
    count(signals, 80, outcome('refused', 429, 'rate-limited'))
    count(signals, 60, outcome('replied', 200))
    count(signals, 20, outcome('replied', 500))
    signals.take(undefined)
    expect(signals.now()).toEqual({ ...NONE, violationsPerSecond: 40, requests: 320, errorShare: 0.25 })
  })

  it('are whole once they are known of ten seconds, after a start and after each loss of the others', () => {
    clock.nowMs = 0
    const others = { isHeard: true, size: 2 }
    const counts = new SharedCounts(undefined, 'a', { name: 'emergency', keysLimit: 200 }, clock)
    const signals = new EmergencySignals(counts, others, clock)
    const isWholeAfter = (ms: number) => {
      clock.nowMs += ms
      signals.take(undefined)
      return signals.isWhole
    }
    expect([isWholeAfter(9_999), isWholeAfter(1)]).toEqual([false, true])
    others.isHeard = false
    expect([isWholeAfter(500), isWholeAfter(9_999), isWholeAfter(1)]).toEqual([false, false, true])
    others.isHeard = true
    expect(isWholeAfter(500)).toBe(false)
  })

  it('keep no more counts than are alive', () => {
    clock.nowMs = 0
    const counts = new SharedCounts(undefined, 'a', { name: 'emergency', keysLimit: 400 }, clock)
    const signals = new EmergencySignals(counts, { isHeard: true, size: 1 }, clock)
    for (let look = 0; look < 1_000; look++) {
      clock.nowMs += 500
      signals.take(load(0, 0))
    }
    expect(counts.size).toBeLessThan(200)
  })

  it('are those of the fleet, also for one that has just come, and the load is the mean of all who have any', async () => {
    const redis = await new RedisProcess(await freePort()).start()
    closing.push(() => redis.close())
    clock.nowMs = 0
    const join = async (name: string): Promise<EmergencySignals> => {
      const guard = await connectedGuard(singleTarget(redis.port), 'signals')
      const counts = new SharedCounts(guard, name, { name: 'emergency', flushIntervalMs: 10, keysLimit: 200 })
      closing.push(
        () => guard.close(),
        () => counts.close(),
      )
      return new EmergencySignals(counts, { isHeard: true, size: 3 }, clock)
    }
    const [one, other, primary] = [await join('a'), await join('b'), await join('primary')]
    count(one, 80, outcome('refused', 429, 'rate-limited'))
    count(one, 30, outcome('replied', 200))
    count(other, 10, outcome('replied', 500))
    clock.nowMs = 12_000
    for (let look = 0; look < 5; look++) {
      one.take(load(1, 0.4))
      other.take(load(0.5, 0))
    }
    clock.nowMs = 15_000
    const all = { violationsPerSecond: 80 / 9, requests: 40, errorShare: 0.25, busyShare: 0.75, queueShare: 0.2 }
    const looked = () => {
      for (const signals of [one, other, primary]) signals.take(undefined) // as twice a second
      return [one, other, primary].map((signals) => signals.now())
    }
    await expect.poll(looked).toEqual([all, all, all])
    const late = await join('late')
    await expect.poll(() => late.now()).toEqual(all)
  })
})

describe('the busy meter', () => {
  it('tells of the time since it was asked last', async () => {
    const busy = busyMeter()
    await new Promise((resolve) => setTimeout(resolve, 50))
    busy()
    const endMs = performance.now() + 50
    while (performance.now() < endMs) Math.random()
    expect(busy()).toBeGreaterThan(0.5)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(busy()).toBeLessThan(0.9)
  })
})
