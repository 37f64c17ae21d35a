import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Children } from './children.ts'
import { REQUEST_HEADERS } from './request.ts'

/** What one run of wrk did. */
export interface WrkResult {
  readonly requests: number
  readonly durationMicros: number
  readonly bytes: number
  /** By kind: `status` counts replies of 400 and more, the others broken connections. */
  readonly errors: Readonly<Record<'connect' | 'read' | 'write' | 'status' | 'timeout', number>>
  readonly latencyMicros: Readonly<Record<'p50' | 'p90' | 'p99' | 'max', number>>
}

export interface WrkLoad {
  readonly port: number
  readonly path: string
  readonly connections: number
  readonly seconds: number
  /** Whether each request asks for its connection to be closed. */
  readonly closes?: boolean
  /** Of the body; a GET without one. */
  readonly uploadBytes?: number
}

/** Beyond its window, for its start and the replies under way. */
const SPARE_MS = 30_000

/** One line of JSON at the end; the rest of what wrk prints is for people. */
const DONE = `
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%.0f,"durationMicros":%.0f,"bytes":%.0f,"errors":{"connect":%.0f,"read":%.0f,"write":%.0f,"status":%.0f,"timeout":%.0f},"latencyMicros":{"p50":%.0f,"p90":%.0f,"p99":%.0f,"max":%.0f}}\\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
`

/** The Lua script that has wrk send the request of the benchmark. */
export const wrkScript = ({ closes = false, uploadBytes }: Pick<WrkLoad, 'closes' | 'uploadBytes'>): string => {
  const headers = closes ? [...REQUEST_HEADERS, ['Connection', 'close'] as const] : REQUEST_HEADERS
  const lines = headers.map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
  if (uploadBytes !== undefined) {
    lines.push('wrk.method = "POST"', `wrk.body = string.rep("x", ${uploadBytes})`)
    lines.push('wrk.headers["Content-Type"] = "application/octet-stream"')
  }
  return `${lines.join('\n')}\n${DONE}`
}

/** @throws Error where wrk has not come to its end */
export const parseWrk = (lines: readonly string[]): WrkResult => {
  const line = lines.findLast((candidate) => candidate.startsWith('{"requests"'))
  if (line === undefined) throw new Error(`wrk gave no result:\n${lines.join('\n')}`)
  return JSON.parse(line) as WrkResult
}

/** Drives a port as fast as it answers, for so many seconds. */
export const runWrk = async (children: Children, cpus: string, folder: string, load: WrkLoad): Promise<WrkResult> => {
  const script = join(folder, `wrk-${load.closes === true ? 'close' : 'keep'}-${load.uploadBytes ?? 0}.lua`)
  await writeFile(script, wrkScript(load))
  const settings = {
    name: 'wrk',
    cpus,
    command: 'wrk',
    args: [
      ...['-t', '1', '-c', String(load.connections), '-d', `${load.seconds}s`, '--timeout', '10s', '-s', script],
      `http://127.0.0.1:${load.port}${load.path}`,
    ],
  }
  return parseWrk(await children.run(settings, load.seconds * 1_000 + SPARE_MS))
}

export const errorCount = ({ errors }: Pick<WrkResult, 'errors'>): number =>
  Object.values(errors).reduce((sum, count) => sum + count, 0)

/** Requests per second. */
export const requestRate = ({ requests, durationMicros }: Pick<WrkResult, 'requests' | 'durationMicros'>): number =>
  requests / (durationMicros / 1_000_000)
