import { SIDEGATE } from '../peers/sidegate.ts'
import type { Results } from '../results.ts'
import { median } from '../statistics.ts'
import { errorsIn } from './errors-in.ts'
import { addedMicros, cpuRatio, rateRatio } from './summary.ts'

/** A figure that Sidegate has set itself. */
export interface Hold {
  readonly what: string
  readonly target: string
  /** Undefined where it was not measured. */
  readonly value: number | undefined
  readonly unit: '×' | 'ms' | 'MB' | ''
  readonly verdict: 'held' | 'NOT held' | 'not measured'
}

/** What must hold, with what was found. */
export const holds = (results: Results): Hold[] => {
  const scenario = (name: string) => results.saturation.find((candidate) => candidate.scenario === name)
  const cpu = (other: string) => cpuRatio(scenario('small-get')?.samples ?? [], SIDEGATE, other)
  const body = (name: string) => rateRatio(scenario(name)?.samples ?? [], SIDEGATE, 'raw-tunnel')
  const idleRss = results.idleMemory?.peers.find(({ peer }) => peer === SIDEGATE)?.rssBytes
  const freshRss = idleRss?.[0] ?? scenario('small-get')?.idleRss.find(({ peer }) => peer === SIDEGATE)?.beforeBytes
  const loadedRss = (scenario('connections-1000')?.samples ?? []).flatMap(({ peer, rssBytes }) =>
    peer === SIDEGATE && rssBytes !== undefined ? [rssBytes] : [],
  )
  const megabytes = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / 1e6)
  const added = addedMicros(results.latency?.samples ?? [], SIDEGATE, 'p99Micros')
  const errors = results.saturation.length === 0 ? undefined : errorsIn(results)
  return [
    atMost('CPU of a small GET to that of http-proxy-3', 0.5, '×', cpu('http-proxy-3')),
    atMost('CPU of a small GET to that of HAProxy', 1.5, '×', cpu('haproxy'), 'the aim is 1.25–1.5×'),
    atMost('added p99 at half load', 1, 'ms', added === undefined ? undefined : added / 1_000),
    atMost('RSS, idle', 90, 'MB', megabytes(freshRss)),
    atMost('RSS, 1,000 connections under load', 160, 'MB', megabytes(loadedRss.length ? median(loadedRss) : undefined)),
    atMost('RSS, 1,000 idle connections', 160, 'MB', megabytes(idleRss?.[1_000])),
    atMost('RSS, 10,000 idle connections', 250, 'MB', megabytes(idleRss?.[10_000])),
    atLeast('throughput of replies of 64 KiB to that of the raw tunnel', 0.8, '×', body('response-64k')),
    atLeast('throughput of replies of 10 MiB to that of the raw tunnel', 0.8, '×', body('response-10m')),
    atLeast('throughput of uploads of 64 KiB to that of the raw tunnel', 0.8, '×', body('upload-64k')),
    atLeast(
      'throughput with WORKERS=2 to that with 1',
      1.7,
      '×',
      rateRatio(results.workers?.samples ?? [], 'WORKERS=2', 'WORKERS=1'),
    ),
    atMost('failed requests, of all peers', 0, '', errors),
  ]
}

type Unit = Hold['unit']

const verdict = (value: number | undefined, isHeld: (value: number) => boolean): Hold['verdict'] =>
  value === undefined ? 'not measured' : isHeld(value) ? 'held' : 'NOT held'

const atMost = (what: string, limit: number, unit: Unit, value: number | undefined, remark?: string): Hold => ({
  what,
  target: `≤ ${limit}${spaced(unit)}${remark === undefined ? '' : `, ${remark}`}`,
  value,
  unit,
  verdict: verdict(value, (found) => found <= limit),
})

const atLeast = (what: string, limit: number, unit: Unit, value: number | undefined): Hold => ({
  what,
  target: `≥ ${limit}${spaced(unit)}`,
  value,
  unit,
  verdict: verdict(value, (found) => found >= limit),
})

export const spaced = (unit: Unit): string => (unit === 'ms' || unit === 'MB' ? ` ${unit}` : unit)
