import type {
  IdleMemoryResults,
  LatencyResults,
  LayerResults,
  MicroResult,
  Results,
  WorkersResults,
} from '../results.ts'
import { median, spread } from '../statistics.ts'
import { holds, spaced } from './holds.ts'
import { saturationSection, without } from './saturation-section.ts'
import { addedMicros, cpuDifference, cpuRatio, peersIn, summarise } from './summary.ts'
import { figure, megabytes, milliseconds, NONE, table, times, withSpread } from './table.ts'

export const latencySection = ({ samples, absent }: LatencyResults): string => {
  const rows = peersIn(samples).map((peer) => {
    const own = samples.filter((sample) => sample.peer === peer)
    const p99 = spread(own.map(({ p99Micros }) => p99Micros / 1_000))
    const failures = own.reduce((sum, sample) => sum + sample.failures, 0)
    return [
      peer,
      milliseconds(median(own.map(({ p50Micros }) => p50Micros))),
      withSpread(p99),
      milliseconds(addedMicros(samples, peer, 'p50Micros')),
      milliseconds(addedMicros(samples, peer, 'p99Micros')),
      figure(median(own.map(({ requests }) => requests))),
      failures === 0 ? '0' : `**${failures}**`,
    ]
  })
  const rates = spread(samples.map(({ requestsPerSecond }) => requestsPerSecond))
  return [
    `## half-load-latency: GET of 200 bytes at ${withSpread(rates)} requests/s`,
    '',
    table(['peer', 'p50 ms', 'p99 ms', 'added p50 ms', 'added p99 ms', 'requests a window', 'errors'], rows),
    'Half of what Sidegate does at most, measured in each round, the same for all, evenly spread over keep-alive connections of 97 requests/s each. A peer with far fewer requests than the others cannot keep up.\n',
    ...without(absent),
  ].join('\n')
}

export const idleMemorySection = ({ connections, peers, absent }: IdleMemoryResults): string =>
  [
    '## idle-memory: resident MB, fresh from the start and with idle connections that have made one request each',
    '',
    table(
      ['peer', ...connections.map((count) => (count === 0 ? 'idle' : `${count.toLocaleString('en')} connections`))],
      peers.map(({ peer, rssBytes }) => [peer, ...connections.map((count) => megabytes(rssBytes[count]))]),
    ),
    ...without(absent),
  ].join('\n')

export const workersSection = ({ samples }: WorkersResults): string =>
  saturationSection({
    scenario: 'workers',
    title: 'Sidegate with one worker and with two, on two cores',
    samples,
    idleRss: [],
    absent: [],
  })

export const layersSection = ({ samples, absent }: LayerResults): string =>
  [
    '## layers: CPU of a small GET with layers left out',
    '',
    table(
      ['layers', 'CPU µs/request', 'saved µs', 'to all', 'requests/s'],
      peersIn(samples).map((variant) => {
        const summary = summarise({ samples }, variant)
        return [
          variant,
          withSpread(summary?.cpuMicrosPerRequest),
          variant === 'all' ? NONE : figure(cpuDifference(samples, 'all', variant)),
          times(cpuRatio(samples, variant, 'all')),
          figure(summary?.requestsPerSecond.median),
        ]
      }),
    ),
    ...without(absent),
  ].join('\n')

export const microSection = (results: readonly MicroResult[]): string =>
  [
    '## micro: nanoseconds a call',
    '',
    table(
      ['part', 'ns: median (least–greatest)'],
      results.map(({ name, nanoseconds }) => [name, withSpread(spread(nanoseconds))]),
    ),
  ].join('\n')

export const holdsSection = (results: Results): string =>
  [
    '## What must hold for Sidegate',
    '',
    table(
      ['figure', 'target', 'found', ''],
      holds(results).map(({ what, target, value, unit, verdict }) => [
        what,
        target,
        value === undefined ? NONE : `${figure(value)}${spaced(unit)}`,
        verdict === 'NOT held' ? `**${verdict}**` : verdict,
      ]),
    ),
  ].join('\n')
