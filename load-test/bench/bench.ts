import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../deploy/local/ports.ts'
import { type Child, type Children, Interrupted } from './children.ts'
import type { CorePlan } from './cores.ts'
import type { BenchOptions } from './options.ts'
import type { Peer, UpstreamKind } from './peers/peer.ts'
import { cpuBetween, readTreeCpu, readTreeRssBytes } from './process-tree.ts'
import type { Absence, Results, Sample } from './results.ts'
import { answers } from './try-request.ts'
import type { Upstream } from './upstream.ts'
import { checkUpload, shortcomings } from './verify.ts'
import { errorCount, runWrk, type WrkLoad } from './wrk.ts'

/** What every part of the benchmark works with. */
export interface Bench {
  readonly options: BenchOptions
  readonly children: Children
  readonly folder: string
  readonly cores: CorePlan
  readonly upstream: Upstream
  readonly peers: readonly Peer[]
  readonly ticksPerSecond: number
  readonly hasH2load: boolean
  readonly results: Results
  readonly say: (line: string) => void
}

/** A peer that answers. */
export interface RunningPeer {
  readonly name: string
  readonly port: number
  /** Undefined for the upstream itself, whose CPU is not asked for. */
  readonly child: Child | undefined
}

const START_TIMEOUT_MS = 20_000
/** For what a peer does after its start, or after load, so that it is idle when its memory is read. */
export const SETTLE_MS = 1_000
/** Between two windows. */
const PAUSE_MS = 200
/** Memory under load is read near the end of a window. */
const RSS_AT_PART = 0.75

let started = 0

export interface StartOptions {
  readonly kind?: UpstreamKind
  readonly cpus?: string
}

/** Starts a peer, and sends a few requests through it to see that it does its work. */
export const startPeer = async (bench: Bench, peer: Peer, options: StartOptions = {}): Promise<RunningPeer> => {
  const { kind = 'tcp', cpus = bench.cores.proxy } = options
  const { children, upstream } = bench
  const folder = join(bench.folder, `peer-${started++}`)
  await mkdir(folder)
  const port = await freePort()
  const child = await peer.start({ children, folder, cpus, port, upstream, kind })
  await answers(port, child, START_TIMEOUT_MS)
  if (peer.isTunnel !== true) {
    for (const shortcoming of await shortcomings(port)) remark(bench.results, peer.name, shortcoming)
  }
  await checkUpload(port)
  if (peer.note !== undefined) remark(bench.results, peer.name, peer.note)
  return { name: peer.name, port, child }
}

/** The same, but a peer that cannot be started is named among the absent and does not end the run. */
export const startOrName = async (
  bench: Bench,
  peer: Peer,
  absent: Absence[],
  options: StartOptions = {},
): Promise<RunningPeer | undefined> => {
  try {
    return await startPeer(bench, peer, options)
  } catch (error) {
    if (bench.children.isStopped) throw new Interrupted()
    const { message } = error as Error
    bench.say(`  NOT STARTED: ${message}`)
    absent.push({ peer: peer.name, why: `it did not start: ${message.split('\n')[0]}` })
    return undefined
  }
}

const remark = ({ notes }: Results, peer: string, note: string): void => {
  if (!notes.some((known) => known.peer === peer && known.note === note)) notes.push({ peer, note })
}

/** Puts a window of load on a peer. */
export const measure = async (
  bench: Bench,
  peer: RunningPeer,
  round: number,
  load: Omit<WrkLoad, 'port' | 'seconds'>,
  cpus: string = bench.cores.load,
): Promise<Sample> => {
  const { children, folder, ticksPerSecond, options } = bench
  await delay(PAUSE_MS)
  const run = () => runWrk(children, cpus, folder, { ...load, port: peer.port, seconds: options.seconds })
  const name = { peer: peer.name, round }
  if (peer.child === undefined) return told(bench, { ...(await run()), ...name })

  const { pid } = peer.child
  const before = await readTreeCpu(pid, ticksPerSecond)
  const [result, rssBytes] = await Promise.all([
    run(),
    delay(options.seconds * 1_000 * RSS_AT_PART).then(() => readTreeRssBytes(pid)),
  ])
  const after = await readTreeCpu(pid, ticksPerSecond)
  return told(bench, { ...result, ...name, cpu: cpuBetween(before, after), rssBytes })
}

const told = ({ say }: Bench, sample: Sample): Sample => {
  const rate = Math.round(sample.requests / (sample.durationMicros / 1_000_000))
  const cpu = sample.cpu === undefined ? '' : `, ${(sample.cpu.micros / sample.requests).toFixed(1)} µs of CPU each`
  say(`  round ${sample.round}  ${sample.peer}: ${rate} requests/s${cpu}`)
  const errors = errorCount(sample)
  if (errors > 0) say(`  ERRORS: ${sample.peer} had ${errors}: ${JSON.stringify(sample.errors)}`)
  return sample
}

/** Load that is not measured, until compilers and pools have settled. */
export const warmUp = async (
  bench: Bench,
  peer: RunningPeer,
  isJit: boolean,
  load: Omit<WrkLoad, 'port' | 'seconds'>,
): Promise<void> => {
  const seconds = isJit ? bench.options.warmUpSeconds : 1
  await runWrk(bench.children, bench.cores.load, bench.folder, { ...load, port: peer.port, seconds })
}

/** The list, begun with another one in each round, so that none always follows the same. */
export const rotated = <T>(items: readonly T[], round: number): T[] => {
  const start = items.length === 0 ? 0 : round % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
