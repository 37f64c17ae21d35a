import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { DeadlineList } from './deadline-list.ts'

class Item {
  place = -1
  readonly deadlineAtMs: number

  constructor(inMs: number) {
    this.deadlineAtMs = performance.now() + inMs
  }
}

/** A list, and what it has called late, with when. */
const listed = () => {
  const late: { readonly item: Item; readonly atMs: number }[] = []
  const list = new DeadlineList<Item>((item) => late.push({ item, atMs: performance.now() }))
  const add = (inMs: number): Item => {
    const item = new Item(inMs)
    list.add(item)
    return item
  }
  const until = async (count: number) => {
    while (late.length < count) await delay(1)
  }
  return { list, late, add, until }
}

it('each is called late once and never early, whatever the order in which they were added', async () => {
  const { late, add, until } = listed()
  const items = [300, 20, 120, 20, 1, 250].map(add)
  await until(items.length)
  await delay(50)
  expect(late).toHaveLength(items.length)
  expect(new Set(late.map(({ item }) => item))).toEqual(new Set(items))
  for (const { item, atMs } of late) expect(atMs).toBeGreaterThanOrEqual(item.deadlineAtMs)
})

it('one that is taken off is not called late, and those behind it are', async () => {
  const { list, late, add, until } = listed()
  const first = add(30)
  const second = add(60)
  list.delete(first)
  await until(1)
  expect(late.map(({ item }) => item)).toEqual([second])
  const third = add(20) // the list has been empty meanwhile
  await until(2)
  expect(late[1]?.item).toBe(third)
})

it('one that is further away than a timer reaches is not looked at over and over', async () => {
  let looks = 0
  const list = new DeadlineList(() => undefined)
  list.add({
    place: -1,
    get deadlineAtMs() {
      looks++
      return 1e12
    },
  })
  await delay(100)
  expect(looks).toBeLessThan(10)
})

it('what a late one adds is called late in its turn', async () => {
  let more = 5
  const times: number[] = []
  const list = new DeadlineList<Item>(() => {
    times.push(performance.now())
    if (--more > 0) list.add(new Item(1))
  })
  list.add(new Item(1))
  while (times.length < 5) await delay(1)
})

it('what was received in time is read before anything is called late, by a process that was held up', async () => {
  const order: string[] = []
  const list = new DeadlineList<Item>(() => order.push('late'))
  list.add(new Item(20))
  const channel = new MessageChannel()
  await immediate() // after this turn of the loop timers come first, and then what was received
  channel.port1.onmessage = () => order.push('received')
  const until = performance.now() + 60
  channel.port2.postMessage('a reply')
  while (performance.now() < until);
  while (order.length < 2) await delay(1)
  channel.port1.close()
  expect(order).toEqual(['received', 'late'])
})

it('an earlier deadline than all before is noticed in its time, not in theirs', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] })
  try {
    const { late, add } = listed()
    add(10_000)
    const early = add(100)
    await vi.advanceTimersByTimeAsync(99)
    expect(late).toEqual([])
    await vi.advanceTimersByTimeAsync(12)
    expect(late.map(({ item }) => item)).toEqual([early])
  } finally {
    vi.useRealTimers()
  }
})
