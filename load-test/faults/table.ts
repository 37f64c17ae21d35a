import { percentile } from '../bench/statistics.ts'
import type { Seen } from './readers.ts'

/** What became of a fault. */
export interface Faulted {
  readonly name: string
  /** When the fault began and ended, in the time of {@link Seen.dueMs}. */
  readonly fromMs: number
  readonly toMs: number
  /** From the beginning of the fault to the first change of a circuit; undefined where none opened. */
  readonly openedAfterMs: number | undefined
  /** From the end of the fault until the circuits were closed again. */
  readonly closedAfterMs: number | undefined
  /** How often circuits opened. */
  readonly opened: number
}

const share = (part: number, all: number): string => (all === 0 ? '–' : `${((100 * part) / all).toFixed(2)} %`)
const ms = (value: number | undefined): string =>
  value === undefined || Number.isNaN(value) ? '–' : `${Math.round(value)}`
const isGood = ({ status }: Seen): boolean => status >= 200 && status < 300
const durations = (seen: readonly Seen[]): number[] => seen.map(({ durationMs }) => durationMs)

/** A row for each fault: of requests that were due from its beginning until as long after its end as it was. */
export const faultTable = (faults: readonly Faulted[], seen: readonly Seen[]): string => {
  const rows = faults.map((fault) => {
    const { fromMs, toMs } = fault
    const within = seen.filter(({ dueMs }) => dueMs >= fromMs && dueMs < toMs)
    const after = seen.filter(({ dueMs }) => dueMs >= toMs && dueMs < toMs + (toMs - fromMs))
    const cacheable = [...within, ...after].filter(({ kind }) => kind === 'cacheable')
    const others = within.filter(({ kind }) => kind !== 'cacheable')
    const refused = others.filter((one) => !isGood(one))
    const othersAfter = after.filter(({ kind }) => kind !== 'cacheable')
    return [
      fault.name,
      String(cacheable.length),
      share(cacheable.filter(isGood).length, cacheable.length),
      share(cacheable.filter(({ isStale }) => isStale).length, cacheable.length),
      ms(percentile(durations(cacheable), 50)),
      ms(percentile(durations(cacheable), 99)),
      ms(Math.max(...durations(cacheable))),
      `${refused.length} of ${others.length}`,
      `${ms(percentile(durations(refused), 50))} / ${ms(percentile(durations(refused), 99))}`,
      ms(fault.openedAfterMs),
      String(fault.opened),
      ms(fault.closedAfterMs),
      share(othersAfter.filter(isGood).length, othersAfter.length),
    ]
  })
  return [HEAD, HEAD.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n')
}

const HEAD = [
  ...[
    'fault',
    'cacheable reads',
    '2xx',
    'stale',
    'p50 ms',
    'p99 ms',
    'most ms',
    'others refused',
    'their p50 / p99 ms',
  ],
  ...['opened after ms', 'times', 'closed after ms', 'others 2xx afterwards'],
]
