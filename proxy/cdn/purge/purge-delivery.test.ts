import { describe, expect, it } from 'vitest'
import { quietLog } from '#shared/testing/redis-guards.ts'
import { policySchema } from '../../state/policy/schema.ts'
import type { PurgeBatch, PurgeResult } from './cdn-provider.ts'
import { MemoryPurgeLedger } from './memory-purge-ledger.ts'
import { PurgeDelivery } from './purge-delivery.ts'
import type { PurgeOrder } from './purge-order.ts'

const START_MS = Date.UTC(2026, 10, 28, 8)

/** A CDN that takes what it is told to, and a clock that stands still until it is moved. */
const start = (purge: Record<string, unknown> = {}, token: string | null = 'a-token') => {
  let nowMs = START_MS
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  const ledger = new MemoryPurgeLedger(clock)
  const { purge: settings } = policySchema.parse({
    cdn: { purge: { provider: 'cloudflare', target: 'z', ...purge } },
  }).cdn
  const sent: PurgeBatch[] = []
  let answer = (_batch: PurgeBatch): PurgeResult => ({ kind: 'done' })
  const provider = {
    valuesPerCall: () => settings.valuesPerCall,
    problemOf: () => undefined,
    send: async (batch: PurgeBatch) => {
      sent.push(batch)
      return answer(batch)
    },
  }
  const delivery = new PurgeDelivery(ledger, quietLog, clock, () => 0.5)
  return {
    ledger,
    sent,
    calls: delivery.calls,
    deliver: () => delivery.deliver({ provider, settings, token: token ?? undefined }),
    answers: (given: typeof answer) => {
      answer = given
    },
    pass: (ms: number) => {
      nowMs += ms
    },
    accept: (id: string, given: Partial<PurgeOrder> = {}) =>
      ledger.accept(
        { id, kind: 'tag', values: [id], isSoft: true, author: 'ann', at: new Date(START_MS).toISOString(), ...given },
        true,
      ),
    stateOf: async (id: string) => {
      const report = await ledger.report(id)
      return report === 'unknown'
        ? report
        : { state: report.delivery.state, attempts: report.delivery.attempts, error: report.delivery.error }
    },
  }
}

describe('purges go to the CDN', () => {
  it('many in one call, each kind by itself, no value twice, and no more values than it takes', async () => {
    const { accept, deliver, sent, stateOf } = start({ valuesPerCall: 3 })
    await accept('1', { values: ['a', 'b'] })
    await accept('2', { values: ['b', 'c', 'd'] })
    await accept('3', { values: ['a'], isSoft: false })
    await accept('4', { kind: 'url', values: ['https://a.example/'] })
    await accept('5', { kind: 'everything', values: [] })
    await accept('6', { kind: 'everything', values: [] })
    await deliver()
    expect(sent).toEqual([
      { kind: 'tag', isSoft: true, values: ['a', 'b', 'c'], ids: ['1', '2'] },
      { kind: 'tag', isSoft: true, values: ['d'], ids: ['2'] },
      { kind: 'tag', isSoft: false, values: ['a'], ids: ['3'] },
      { kind: 'url', isSoft: true, values: ['https://a.example/'], ids: ['4'] },
      { kind: 'everything', isSoft: true, values: [], ids: ['5', '6'] },
    ])
    for (const id of ['1', '2', '3', '4', '5', '6'])
      expect(await stateOf(id)).toMatchObject({ state: 'delivered', attempts: 1 })
    await deliver()
    expect(sent).toHaveLength(5)
  })

  it('as many calls as it allows; the others wait, and are no attempts', async () => {
    const { accept, deliver, sent, stateOf, pass } = start({ callsPerMinute: 60, burst: 2, valuesPerCall: 1 })
    for (let number = 0; number < 5; number++) await accept(`${number}`)
    await deliver()
    expect(sent).toHaveLength(2)
    expect(await stateOf('4')).toMatchObject({ state: 'waiting', attempts: 0 })
    for (let second = 1; second <= 3; second++) {
      pass(1_000)
      await deliver()
      expect(sent).toHaveLength(2 + second)
    }
    expect(await stateOf('4')).toMatchObject({ state: 'delivered', attempts: 1 })
  })
})

describe('a purge of more calls than the CDN allows at once', () => {
  it('is delivered by and by, no value twice, and holds no other up', async () => {
    const { accept, deliver, sent, stateOf, pass } = start({ callsPerMinute: 60, burst: 5, valuesPerCall: 1 })
    await accept('many', { values: Array.from({ length: 30 }, (_, index) => `v${index}`) })
    await accept('other')
    for (let second = 0; second < 60; second++) {
      await deliver()
      pass(1_000)
    }
    expect(sent).toHaveLength(31)
    expect([await stateOf('many'), await stateOf('other')]).toMatchObject([
      { state: 'delivered' },
      { state: 'delivered' },
    ])
  })
})

describe('a purge that the CDN does not take', () => {
  it('fails by itself: those that were in its call are delivered', async () => {
    const { accept, deliver, stateOf, answers, pass } = start()
    answers(({ values }) => (values.includes('bad') ? { kind: 'refused', error: '400 bad' } : { kind: 'done' }))
    for (const id of ['good', 'bad', 'also good']) await accept(id)
    for (let second = 0; second < 5; second++) {
      await deliver()
      pass(2_000)
    }
    const states = await Promise.all(['good', 'bad', 'also good'].map(stateOf))
    expect(states).toMatchObject([
      { state: 'delivered' },
      { state: 'failed', error: '400 bad' },
      { state: 'delivered' },
    ])
  })

  it('is tried again, later each time, and never sooner than the CDN says', async () => {
    const { accept, deliver, sent, stateOf, answers, pass } = start()
    answers(() => ({ kind: 'again', error: '503 no' }))
    await accept('a')
    let waitedMs = 0
    const gapsMs: number[] = []
    for (let time = 0; time < 1_200_000; time += 500) {
      const before = sent.length
      await deliver()
      if (sent.length > before) {
        gapsMs.push(waitedMs)
        waitedMs = 0
      }
      pass(500)
      waitedMs += 500
    }
    expect(gapsMs.slice(0, 10)).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000])
    expect(Math.max(...gapsMs)).toBe(300_000)
    expect(await stateOf('a')).toMatchObject({ state: 'retrying', attempts: gapsMs.length, error: '503 no' })
    answers(() => ({ kind: 'again', error: '429 no', afterMs: 1_000_000 }))
    pass(300_000)
    await deliver()
    const { length } = sent
    pass(999_999)
    await deliver()
    expect(sent).toHaveLength(length)
    answers(() => ({ kind: 'done' }))
    pass(1)
    await deliver()
    expect(await stateOf('a')).toMatchObject({ state: 'delivered', error: undefined })
  })

  it('is given up after a day, or at once where the CDN never will', async () => {
    const { accept, deliver, stateOf, answers, pass, sent } = start()
    answers(({ values: [value] }) =>
      value === 'a' ? { kind: 'again', error: '503' } : { kind: 'refused', error: '400 bad tag' },
    )
    await accept('a')
    await deliver()
    await accept('b')
    await deliver()
    expect(await stateOf('b')).toEqual({ state: 'failed', attempts: 1, error: '400 bad tag' })
    pass(86_400_001)
    await deliver()
    expect(await stateOf('a')).toEqual({ state: 'failed', attempts: 2, error: '503' })
    const { length } = sent
    pass(86_400_000)
    await deliver()
    expect(sent).toHaveLength(length)
  })

  it('takes no other with it but those of its call', async () => {
    const { accept, deliver, stateOf, answers, calls } = start({ valuesPerCall: 2 })
    answers(({ values }) => (values.includes('c') ? { kind: 'again', error: '503' } : { kind: 'done' }))
    for (const id of ['a', 'b', 'c', 'd', 'e']) await accept(id)
    await deliver()
    const states = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map(async (id) => ((await stateOf(id)) as { state: string }).state),
    )
    expect(states).toEqual(['delivered', 'delivered', 'retrying', 'retrying', 'delivered'])
    expect(calls).toEqual({ done: 2, again: 1, refused: 0 })
  })

  it('for want of a credential is tried again, and the CDN is not called', async () => {
    const { accept, deliver, stateOf, sent } = start({}, null)
    await accept('a')
    await deliver()
    expect(sent).toEqual([])
    expect(await stateOf('a')).toMatchObject({ state: 'retrying', error: 'there is no credential for cloudflare' })
  })
})
