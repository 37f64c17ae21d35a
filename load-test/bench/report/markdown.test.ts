import { describe, expect, test } from 'vitest'
import type { Results, Sample } from '../results.ts'
import { holds } from './holds.ts'
import { renderReport } from './markdown.ts'

const sample = (peer: string, round: number, cpuMicros: number, more: Partial<Sample> = {}): Sample => ({
  peer,
  round,
  requests: 40_000,
  durationMicros: 4_000_000,
  bytes: 20_000_000,
  errors: { connect: 0, read: 0, write: 0, status: 0, timeout: 0 },
  latencyMicros: { p50: 2_500, p90: 4_000, p99: 8_250, max: 30_000 },
  cpu: { micros: cpuMicros * 40_000, source: 'schedstat' },
  rssBytes: 100e6,
  ...more,
})

const results = (more: Partial<Results> = {}): Results => ({
  date: '2026-11-22T10:00:00.000Z',
  commandLine: 'npm run bench',
  machine: { cpu: 'a CPU', cores: 2, kernel: '6.1', memoryBytes: 8 * 2 ** 30, versions: { node: '26.10.0' } },
  rounds: 3,
  seconds: 4,
  remarks: [],
  notes: [],
  missing: [],
  saturation: [],
  isInterrupted: false,
  ...more,
})

const smallGet = (samples: readonly Sample[]) => ({
  scenario: 'small-get',
  title: 'GET of 200 bytes',
  samples,
  idleRss: [{ peer: 'sidegate', beforeBytes: 85e6, afterBytes: 95e6 }],
  absent: [{ peer: 'caddy', why: 'there is no caddy on the PATH' }],
})

const rowOf = (report: string, first: string): string[] =>
  (report.split('\n').find((line) => line.startsWith(`| ${first} |`)) ?? '').split(' | ').slice(1)

describe('the report', () => {
  test('gives the median of the rounds, their spread, and ratios within a round', () => {
    const report = renderReport(
      results({
        saturation: [
          smallGet([
            ...[sample('sidegate', 1, 40), sample('http-proxy-3', 1, 100)],
            ...[sample('http-proxy-3', 2, 300), sample('sidegate', 2, 60)], // a round in which all were slow
            ...[sample('sidegate', 3, 44), sample('http-proxy-3', 3, 110)],
          ]),
        ],
      }),
    )
    expect(rowOf(report, 'sidegate')).toEqual([
      ...['44.0 (40.0–60.0)', '0.40×', '–', '44 %', '10,000', '2.50', '8.25', '85, 100, 95', '0 |'],
    ])
    expect(report).toContain('Without caddy: there is no caddy on the PATH.')
  })

  test('shows failed requests loudly', () => {
    const errors = { connect: 1, read: 2, write: 0, status: 4, timeout: 0 }
    const report = renderReport(results({ saturation: [smallGet([sample('sidegate', 1, 40, { errors })])] }))
    expect(rowOf(report, 'sidegate').at(-1)).toBe('**7** |')
  })

  test('says what is missing, what a peer does not do, and that it was interrupted', () => {
    const report = renderReport(
      results({
        missing: [{ what: 'the peer haproxy', why: 'there is no haproxy on the PATH' }],
        notes: [{ peer: 'raw-tunnel', note: 'reads no HTTP' }],
        isInterrupted: true,
      }),
    )
    expect(report).toContain('**Missing**: the peer haproxy, since there is no haproxy on the PATH.')
    expect(report).toContain('- raw-tunnel: reads no HTTP.')
    expect(report).toContain('interrupted')
  })
})

describe('what must hold', () => {
  const verdictOf = (found: Results, what: RegExp) => holds(found).find((hold) => what.test(hold.what))?.verdict

  test('is not measured where the scenario or the other peer is not there', () => {
    expect(new Set(holds(results()).map(({ verdict }) => verdict))).toEqual(new Set(['not measured']))
    const alone = results({ saturation: [smallGet([sample('sidegate', 1, 40)])] })
    expect(verdictOf(alone, /http-proxy-3/)).toBe('not measured')
    expect(verdictOf(alone, /^RSS, idle$/)).toBe('held')
  })

  test('is judged by ratios within a round', () => {
    const against = (micros: number) =>
      results({ saturation: [smallGet([sample('sidegate', 1, 50), sample('http-proxy-3', 1, micros)])] })
    expect(verdictOf(against(100), /http-proxy-3/)).toBe('held')
    expect(verdictOf(against(99), /http-proxy-3/)).toBe('NOT held')
  })

  test('takes added latency over the upstream alone', () => {
    const at = (peer: string, p99Micros: number) => ({
      ...{ peer, round: 1, requestsPerSecond: 970, requests: 1_000, failures: 0, p50Micros: 200, p99Micros },
    })
    const latency = (p99Micros: number) =>
      results({
        latency: { absent: [], samples: [at('direct', 400), at('sidegate', p99Micros)] },
      })
    expect(verdictOf(latency(1_400), /added p99/)).toBe('held')
    expect(verdictOf(latency(1_401), /added p99/)).toBe('NOT held')
  })
})
