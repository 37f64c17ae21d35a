import { describe, expect, it } from 'vitest'
import { json, startFakeAdmin } from './testing/fake-admin.ts'

const window = (windowSeconds: number, burn: number | null) => ({ windowSeconds, events: 1_000, burn })
const burnRates = [
  { factor: 14.4, long: window(3_600, 20.123), short: window(300, 30), isExceeded: true },
  { factor: 6, long: window(21_600, 0.5), short: window(1_800, null), isExceeded: false },
]
const promised = { target: 0.999, events: 1_000, bad: 1, share: 0.9995, budgetLeft: -0.25, burnRates }
const NOTHING = { events: 0, bad: 0, share: null, budgetLeft: null, burnRates: [] }
const traffic = [
  {
    ...{ windowSeconds: 300, good: 10, bad: 2, excluded: 1, availability: 10 / 12 },
    verdicts: { good: 9, 'stale-served': 1, timeout: 2, refused: 1 },
    latencyMs: { p50: 1.2345, p95: 20, p99: 300.4, p999: 1_234 },
  },
  { windowSeconds: 2_592_000, good: 0, bad: 0, excluded: 0, availability: null, verdicts: {}, latencyMs: null },
]

const rowsOf = (stdout: string): string[][] => stdout.split('\n').map((line) => line.split(/ {2,}/))

describe('slo', () => {
  it('tells what is promised and how it is kept, to the last digit, and what the traffic is like', async () => {
    const objectives = [
      {
        name: 'reads',
        windowDays: 30,
        availability: promised,
        latency: { ...NOTHING, target: 0.99, thresholdMs: 300 },
      },
    ]
    const body = {
      policyVersion: 3,
      objectives,
      traffic: { all: traffic, operations: [{ name: 'read', traffic: [] }] },
    }
    const admin = await startFakeAdmin({ 'GET /api/slo': json(200, body) })
    const { exit, stdout } = await admin.run(['slo'])
    expect(exit).toBe(0)
    const rows = rowsOf(stdout)
    expect(rows[1]).toEqual([
      'reads: answered',
      '30',
      '99.9 %',
      '99.95 %',
      '1000',
      '-25 %',
      '20/30 of 14.4! 0.5/- of 6',
    ])
    expect(rows[2]?.slice(0, 6)).toEqual(['reads: within 300 ms', '30', '99 %', '-', '0', '-'])
    expect(rows.filter(([name]) => name === 'all')).toEqual([
      [
        'all',
        '5 min',
        '10',
        '2',
        '1',
        '83.333 %',
        '1.23 ms',
        '20 ms',
        '300 ms',
        '1230 ms',
        'stale-served 1, timeout 2, refused 1',
      ],
      ['all', '30 d', '0', '0', '0', '-', '-', '-', '-', '-', '-'],
    ])
  })

  it('tells what fires, and who has not accepted to be told', async () => {
    const alert = {
      objective: 'reads\u001b',
      promise: 'availability',
      factor: 14.4,
      longSeconds: 3_600,
      shortSeconds: 300,
    }
    const since = '2026-11-28T11:00:00.000Z'
    const webhook = { kind: 'slack', host: 'hooks.example' }
    const waiting = { ...alert, change: 'fires', at: since, webhook, attempts: 2, dueAt: since }
    const body = {
      ...{ policyVersion: 3, objectives: [], traffic: { all: traffic, operations: [] } },
      ...{ alerts: [{ ...alert, since }], notifications: [waiting] },
    }
    const admin = await startFakeAdmin({ 'GET /api/slo': json(200, body) })
    const { stdout } = await admin.run(['slo'])
    expect(stdout.split('\n').slice(1, 3)).toEqual([
      `Alert: reads\\u001b, availability: over 14.4 since ${since}`,
      `Not accepted: slack at hooks.example, that reads\\u001b fires; 2 attempts, next ${since}`,
    ])
  })

  it('says where nothing is promised', async () => {
    const body = { policyVersion: 0, objectives: [], traffic: { all: traffic, operations: [] } }
    const admin = await startFakeAdmin({ 'GET /api/slo': json(200, body) })
    expect((await admin.run(['slo'])).stdout).toMatch(/^Nothing is promised: the policy has no slo\.objectives\.\n/)
  })
})
