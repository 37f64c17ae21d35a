import type { Absence, SaturationResults } from '../results.ts'
import { cpuRatio, peersIn, summarise } from './summary.ts'
import { figure, megabytes, milliseconds, NONE, table, times, withSpread } from './table.ts'

/** One scenario of full load: a row for each peer. */
export const saturationSection = (scenario: SaturationResults): string => {
  const { samples, idleRss, bodyBytes, absent } = scenario
  const isLarge = bodyBytes !== undefined
  const head = [
    'peer',
    'CPU µs/request',
    'to http-proxy-3',
    'to HAProxy',
    'core used',
    ...(isLarge ? ['CPU µs/MiB', 'MB/s'] : []),
    'requests/s',
    'p50 ms',
    'p99 ms',
    'RSS MB: idle, load, after',
    'errors',
  ]
  const rows = peersIn(samples).map((peer) => {
    const summary = summarise(scenario, peer)
    if (summary === undefined) return [peer]
    const cpu = summary.cpuMicrosPerRequest
    const idle = idleRss.find((candidate) => candidate.peer === peer)
    return [
      peer,
      withSpread(cpu),
      times(cpuRatio(samples, peer, 'http-proxy-3')),
      times(cpuRatio(samples, peer, 'haproxy')),
      summary.coreShare === undefined ? NONE : `${Math.round(summary.coreShare * 100)} %`,
      ...(isLarge ? [figure(summary.cpuMicrosPerMebibyte), figure(summary.megabytesPerSecond)] : []),
      figure(summary.requestsPerSecond.median),
      milliseconds(summary.p50Micros),
      milliseconds(summary.p99Micros),
      [idle?.beforeBytes, summary.rssBytes, idle?.afterBytes].map(megabytes).join(', '),
      summary.errors === 0 ? '0' : `**${summary.errors}**`,
    ]
  })
  return [
    `## ${scenario.scenario}: ${scenario.title}`,
    '',
    rows.length === 0 ? 'Nothing was measured.\n' : table(head, rows),
    ...without(absent),
  ].join('\n')
}

/** Who took no part. */
export const without = (absent: readonly Absence[]): string[] =>
  absent.map(({ peer, why }) => `Without ${peer}: ${why}.\n`)
