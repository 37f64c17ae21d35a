import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
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
