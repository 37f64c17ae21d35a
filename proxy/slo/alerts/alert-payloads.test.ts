import { describe, expect, it } from 'vitest'
import type { Notification } from './alert-outbox.ts'
import { alertmanagerPayload } from './alertmanager.ts'
import { slackPayload } from './slack.ts'

const notification: Notification = {
  kind: 'fires',
  alert: { objective: 'reads', promise: 'latency', factor: 14.4, longSeconds: 3_600, shortSeconds: 300, sinceMs: 0 },
  atMs: 60_000,
  facts: {
    ...{ longBurn: 20.123, shortBurn: 31, budgetLeft: -0.5, target: 0.999, thresholdMs: 250 },
    causes: [{ name: 'slow', count: 12 }],
    operations: [{ name: 'read', count: 10 }],
    examples: ['one', 'two'],
  },
  deliveries: [],
}
const PLACE = { service: 'shop & <co>', dashboard: 'https://sidegate.example.com/?a=1&b=2' }

describe('Alertmanager’s webhook', () => {
  it('gets strings alone as labels and annotations', () => {
    const { alerts, groupLabels, commonAnnotations } = alertmanagerPayload(notification, PLACE)
    for (const map of [groupLabels, commonAnnotations, alerts[0]?.labels, alerts[0]?.annotations])
      for (const value of Object.values(map ?? expect.fail())) expect(value).toBeTypeOf('string')
    expect(alerts[0]?.annotations).toMatchObject({
      description:
        'Promised: 99.9 % within 250 ms. The error budget burns 20.12× over 1h and 31× over 5m (alert above 14.4×). Budget left: -50 %.',
      examples: 'one two',
      dashboard: PLACE.dashboard,
    })
  })

  it.each([
    [6, 'page'],
    [14.4, 'page'],
    [3, 'ticket'],
  ])('is to wake somebody, or not: by a factor of %d, %s', (factor, severity) => {
    const { alerts } = alertmanagerPayload({ ...notification, alert: { ...notification.alert, factor } }, PLACE)
    expect(alerts[0]?.labels.severity).toBe(severity)
  })

  it('knows alerts by fingerprints that are each alert’s own, and the same when it fires again', () => {
    const fingerprintOf = (alert: Partial<Notification['alert']>) =>
      alertmanagerPayload({ ...notification, alert: { ...notification.alert, ...alert } }, PLACE).alerts[0]?.fingerprint
    const [first, again, ...others] = [
      {},
      { sinceMs: 99 },
      { objective: 'writes' },
      { promise: 'availability' as const },
      { factor: 3 },
      { shortSeconds: 600 },
    ].map(fingerprintOf)
    expect(first).toMatch(/^[0-9a-f]{16}$/)
    expect(again).toBe(first)
    expect(new Set([first, ...others]).size).toBe(5)
  })

  it('has no link where nobody has said where the admin port is', () => {
    const { externalURL, alerts } = alertmanagerPayload(notification, { service: 'shop', dashboard: undefined })
    expect([externalURL, alerts[0]?.generatorURL, 'dashboard' in (alerts[0]?.annotations ?? {})]).toEqual([
      '',
      '',
      false,
    ])
  })
})

describe('Slack’s webhook', () => {
  it('takes nothing in what it is told for its own signs', () => {
    const { text, blocks } = slackPayload(notification, PLACE)
    expect(text).toContain('shop &amp; &lt;co&gt;: reads')
    const [, facts] = blocks.map((block) => block.text.text)
    expect(facts?.split('\n')).toEqual([
      '*Causes:* slow 12',
      '*Operations:* read 10',
      '*Examples:* `one` `two`',
      '<https://sidegate.example.com/?a=1&amp;b=2|Dashboard>',
    ])
  })

  it('leaves out what is not known', () => {
    const none = { longBurn: null, shortBurn: null, budgetLeft: null, target: null, thresholdMs: null }
    const facts = { ...none, causes: [], operations: [], examples: [] }
    const { blocks } = slackPayload(
      { ...notification, kind: 'resolved', facts },
      { service: 's', dashboard: undefined },
    )
    expect(blocks).toHaveLength(1)
    expect(blocks[0]?.text.text).toContain('No longer promised.')
  })
})
