import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Children } from './children.ts'
import { REQUEST_HEADERS } from './request.ts'
import { percentile } from './statistics.ts'

export interface SteadyLoad {
  readonly port: number
  readonly path: string
  /** Of all clients together; {@link steadyRate} of what is wanted. */
  readonly requestsPerSecond: number
  readonly seconds: number
}

export interface SteadyResult {
  readonly requests: number
  /** Replies outside 2xx, and requests without one. */
  readonly failures: number
  readonly p50Micros: number
  readonly p99Micros: number
}

/** h2load sends a Host of its own, beside which another is one too many. */
const headers = REQUEST_HEADERS.filter(([name]) => name !== 'Host')

/** A peer that cannot keep up makes it last longer, but no more than so many times. */
const SLOWEST = 10

/**
 * Of each client. h2load sends for a client every 10 ms at most, so that one beyond 100 requests/s would send in pairs; and
 * clients that start together send together for good, so that each starts at a time of its own: 27 ms is 2.62 times the
 * 10.3 ms between two requests of each, and 0.62 is the fraction whose multiples lie farthest from each other.
 */
const CLIENT_RATE = 97
const START_PERIOD_MS = 27
const START_PERIODS = 200

/**
 * What h2load waits with: `epoll`, its own choice, counts in whole milliseconds, in which all that was due goes out at
 * once, up to 80 requests. `select` counts in microseconds.
 */
const TIMERS_OF_MICROSECONDS = { LIBEV_FLAGS: '1' }

/** The nearest rate that can be kept. */
export const steadyRate = (requestsPerSecond: number): number =>
  Math.max(1, Math.round(requestsPerSecond / CLIENT_RATE)) * CLIENT_RATE

/** Beyond the start of the last client. */
const SETTLE_MS = 200

/**
 * Reads the log of h2load: start in µs since the epoch, status (-1 for none), µs to the end of the reply; by tabs. Counts
 * what began in the given time from the first request on.
 */
export const parseH2loadLog = (log: string, fromMs: number, untilMs: number): SteadyResult => {
  const rows = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t').map(Number))
  const firstMicros = rows.reduce((first, [start = 0]) => Math.min(first, start), Number.POSITIVE_INFINITY)
  const counted = rows.filter(
    ([start = 0]) => start - firstMicros >= fromMs * 1_000 && start - firstMicros < untilMs * 1_000,
  )
  const latencies = counted.map(([, , micros = 0]) => micros)
  return {
    requests: counted.length,
    failures: counted.filter(([, status = -1]) => status < 200 || status > 299).length,
    p50Micros: percentile(latencies, 50),
    p99Micros: percentile(latencies, 99),
  }
}

/** Drives a port at a fixed rate; every request is in its log, so that the percentiles are exact. */
export const runH2load = async (
  children: Children,
  cpus: string,
  folder: string,
  load: SteadyLoad,
): Promise<SteadyResult> => {
  const log = join(folder, 'h2load.log')
  const clients = load.requestsPerSecond / CLIENT_RATE
  const startedAtOnce = Math.ceil(clients / START_PERIODS)
  const rampMs = Math.ceil(clients / startedAtOnce) * START_PERIOD_MS + SETTLE_MS
  const untilMs = rampMs + load.seconds * 1_000
  await rm(log, { force: true })
  const settings = {
    name: 'h2load',
    cpus,
    command: 'h2load',
    environment: TIMERS_OF_MICROSECONDS,
    args: [
      ...[
        '--h1',
        '-t1',
        `-c${clients}`,
        `--rps=${CLIENT_RATE}`,
        `-r${startedAtOnce}`,
        `--rate-period=${START_PERIOD_MS}ms`,
      ],
      // Enough for the first client to go on until the end of the window.
      ...['-n', String(Math.ceil((load.requestsPerSecond * untilMs) / 1_000))],
      `--log-file=${log}`,
      ...headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
      `http://127.0.0.1:${load.port}${load.path}`,
    ],
  }
  await children.run(settings, SLOWEST * untilMs)
  return parseH2loadLog(await readFile(log, 'utf8'), rampMs, untilMs)
}
