import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DeadlineWatch } from './deadline-watch.ts'

let watch: DeadlineWatch | undefined

afterEach(() => watch?.stop())

/** Keeps the process from doing anything else. */
const holdUp = (durationMs: number): void => {
  const until = performance.now() + durationMs
  while (performance.now() < until);
}

describe('a look at deadlines', () => {
  it('comes again and again, with a time that never goes back', async () => {
    const times: number[] = []
    watch = new DeadlineWatch([80, 10_000], (nowMs) => times.push(nowMs))
    while (times.length < 5) await delay(5)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  it('does not come at once to a process that was held up, and comes all the same to one that always is', async () => {
    const order: string[] = []
    watch = new DeadlineWatch([80], () => order.push('look'))
    while (order.length < 3) await delay(5)
    order.length = 0
    holdUp(200)
    setImmediate(() => order.push('what had come in the meantime'))
    while (!order.includes('look')) await delay(1)
    expect(order[0]).toBe('what had come in the meantime')
    order.length = 0
    const busy = setInterval(() => holdUp(60), 1)
    while (order.length < 3) await delay(1)
    clearInterval(busy)
    expect(order).toContain('look')
  })
})

describe('a time shorter than any before', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('does not let the time go back', () => {
    watch = new DeadlineWatch([80_000], () => undefined)
    const before = watch.nowMs
    watch.deadlineIn(80)
    expect(watch.nowMs).toBe(before)
    vi.advanceTimersByTime(300)
    expect(watch.nowMs).toBeGreaterThanOrEqual(performance.now())
    expect(watch.nowMs).toBeLessThanOrEqual(performance.now() + 10)
  })

  it('has all looked at more often from now on, and its deadline is counted from now', () => {
    let looks = 0
    watch = new DeadlineWatch([80_000], () => looks++)
    vi.advanceTimersByTime(1_000)
    expect(looks).toBe(4)
    vi.advanceTimersByTime(200)
    const deadlineMs = watch.deadlineIn(160)
    expect(deadlineMs).toBeGreaterThanOrEqual(performance.now() + 160)
    expect(deadlineMs).toBeLessThanOrEqual(performance.now() + 200)
    vi.advanceTimersByTime(1_000)
    expect(looks).toBe(54)
    watch.deadlineIn(80_000)
    vi.advanceTimersByTime(1_000)
    expect(looks).toBe(104)
  })

  it('does not begin again what has been stopped', () => {
    let looks = 0
    watch = new DeadlineWatch([80_000], () => looks++)
    watch.stop()
    watch.deadlineIn(80)
    vi.advanceTimersByTime(1_000)
    expect(looks).toBe(0)
  })
})
