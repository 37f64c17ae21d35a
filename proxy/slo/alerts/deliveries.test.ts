import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { type Notification, queued, settled, webhookId } from './alert-outbox.ts'
import type { SendResult, Webhook } from './alert-sender.ts'
import { Deliveries } from './deliveries.ts'

const HOUR_MS = 3_600_000
const webhook: Webhook = { kind: 'slack', url: 'https://hooks.example.com/a-secret' }
const ID = webhookId(webhook)
const NO_FACTS = { longBurn: 1, shortBurn: 1, budgetLeft: 1, target: 0.9, thresholdMs: null }

const notification = (objective: string, atMs: number, kind: Notification['kind'] = 'fires'): Notification => ({
  kind,
  alert: { objective, promise: 'availability', factor: 2, longSeconds: 3_600, shortSeconds: 300, sinceMs: 0 },
  atMs,
  facts: { ...NO_FACTS, causes: [], operations: [], examples: [] },
  deliveries: [{ webhook: ID, attempts: 0, dueAtMs: atMs }],
})

/** A webhook that says what it is told to, and a clock that stands still until it is moved. */
const start = (...given: Notification[]) => {
  let nowMs = 0
  let notifications: readonly Notification[] = given
  let answer = (_told: Notification): SendResult => ({ kind: 'accepted' })
  let leads = true
  const sent: string[] = []
  const lines: { level: number }[] = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as { level: number }) })
  const send = async (_to: Webhook, told: Notification) => {
    sent.push(`${told.kind} ${told.alert.objective}`)
    return answer(told)
  }
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  const deliveries = new Deliveries(
    send,
    () => leads,
    log,
    clock,
    () => 0.5,
  )
  return {
    sent,
    lines,
    waiting: () => notifications.map(({ deliveries: [first] }) => first),
    answers: (how: typeof answer) => {
      answer = how
    },
    loses: () => {
      leads = false
    },
    pass: (ms: number) => {
      nowMs += ms
    },
    async deliver() {
      deliveries.start(notifications, new Map([[ID, webhook]]))
      await deliveries.idle()
      notifications = settled(notifications, deliveries.results, new Set([ID]))
      deliveries.forget(deliveries.results.length)
    },
  }
}

const AGAIN: SendResult = { kind: 'again', error: '503', afterMs: undefined }

describe('a notification', () => {
  it('is tried after 1 s, and then each time after twice as long, at most 5 minutes, until a day has passed', async () => {
    const { deliver, answers, pass, waiting, sent, lines } = start(notification('reads', 0))
    answers(() => AGAIN)
    const pauses: number[] = []
    let atMs = 0
    for (let turn = 0; turn < 1_000 && (turn === 0 || waiting().length > 0); turn++) {
      await deliver()
      const [delivery] = waiting()
      if (delivery === undefined) break
      pauses.push(delivery.dueAtMs - atMs)
      pass(delivery.dueAtMs - atMs - 1)
      await deliver() // not yet
      expect(sent).toHaveLength(turn + 1)
      pass(1)
      atMs = delivery.dueAtMs
    }
    expect(pauses.slice(0, 11)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 1_000))
    expect(atMs).toBeGreaterThan(24 * HOUR_MS)
    expect(atMs).toBeLessThan(25 * HOUR_MS)
    expect(lines.filter(({ level }) => level === 50)).toHaveLength(1)
    expect(JSON.stringify(lines)).not.toContain('a-secret')
  })

  it('waits for as long as the webhook says', async () => {
    const { deliver, answers, waiting } = start(notification('reads', 0))
    answers(() => ({ kind: 'again', error: '429', afterMs: 90_000 }))
    await deliver()
    expect(waiting()).toMatchObject([{ attempts: 1, dueAtMs: 90_000 }])
  })

  it('does not come before an earlier one of the same alert, and waits for none of another', async () => {
    const { deliver, answers, pass, sent } = start(
      notification('reads', 0),
      notification('reads', 0, 'resolved'),
      notification('writes', 0),
    )
    answers(({ alert }) => (alert.objective === 'reads' ? AGAIN : { kind: 'accepted' }))
    await deliver()
    await deliver()
    expect(sent).toEqual(['fires reads', 'fires writes'])
    answers(() => ({ kind: 'accepted' }))
    pass(1_000)
    await deliver()
    expect(sent.slice(2)).toEqual(['fires reads', 'resolved reads'])
  })

  it('is sent by nobody who leads no more', async () => {
    const { deliver, loses, answers, sent } = start(notification('reads', 0), notification('writes', 0))
    answers(() => {
      loses()
      return { kind: 'accepted' }
    })
    await deliver()
    await deliver()
    expect(sent).toHaveLength(1)
  })
})

describe('what waits', () => {
  it('is a hundred at most: the oldest go', () => {
    const many = Array.from({ length: 150 }, (_, at) => notification('reads', at))
    const { notifications, dropped } = queued(many.slice(0, 90), many.slice(90))
    expect([notifications.length, notifications[0]?.atMs, dropped.length]).toEqual([100, 50, 50])
  })

  it('is nothing where there is nobody to be told, or not any more', () => {
    expect(queued([], [{ ...notification('reads', 0), deliveries: [] }]).notifications).toEqual([])
    expect(settled([notification('reads', 0)], [], new Set())).toEqual([])
  })
})
