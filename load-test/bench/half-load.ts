import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, measure, type RunningPeer, rotated, startOrName, startPeer, warmUp } from './bench.ts'
import { runH2load, steadyRate } from './h2load.ts'
import { DIRECT } from './peers/all-peers.ts'
import { sidegate } from './peers/sidegate.ts'
import type { Absence, LatencySample } from './results.ts'
import { SMALL_GET } from './scenarios.ts'
import { median } from './statistics.ts'
import { H2LOAD } from './tools.ts'
import { requestRate } from './wrk.ts'

const PAUSE_MS = 200

/** Latency of every peer at one rate, half of what Sidegate can do at most; and straight at the upstream. */
export const runHalfLoad = async (bench: Bench): Promise<void> => {
  if (!bench.hasH2load) {
    bench.results.missing.push({ what: 'latency at half load', why: `there is no ${H2LOAD.command} on the PATH` })
    return
  }
  const requestsPerSecond = steadyRate((await saturationOfSidegate(bench)) / 2)
  bench.say(`  at ${requestsPerSecond} requests/s`)
  const samples: LatencySample[] = []
  const absent: Absence[] = []
  bench.results.latency = { requestsPerSecond, samples, absent }
  // Without it there is nothing that latency is added to.
  const running: RunningPeer[] = [{ name: DIRECT, port: bench.upstream.port, child: undefined }]
  try {
    for (const peer of bench.peers) {
      bench.say(`  starting and warming ${peer.name}`)
      const started = await startOrName(bench, peer, absent)
      if (started === undefined) continue
      running.push(started)
      await warmUp(bench, started, peer.isJit, SMALL_GET)
    }
    for (let round = 0; round < bench.options.rounds; round++) {
      for (const peer of rotated(running, round)) {
        await delay(PAUSE_MS)
        const load = { port: peer.port, path: SMALL_GET.path, requestsPerSecond, seconds: bench.options.seconds }
        const result = await runH2load(bench.children, bench.cores.load, bench.folder, load)
        samples.push({ peer: peer.name, round: round + 1, ...result })
        bench.say(`  round ${round + 1}  ${peer.name}: p50 ${result.p50Micros} µs, p99 ${result.p99Micros} µs`)
        if (result.failures > 0) bench.say(`  ERRORS: ${peer.name} failed ${result.failures} requests`)
      }
    }
  } finally {
    await Promise.all(running.map(({ child }) => child?.stop()))
  }
}

/** In requests/s: as measured before in this run, else by a window of its own. */
const saturationOfSidegate = async (bench: Bench): Promise<number> => {
  const measured = bench.results.saturation
    .filter(({ scenario }) => scenario === SMALL_GET.name)
    .flatMap(({ samples }) => samples)
    .filter(({ peer }) => peer === 'sidegate')
  if (measured.length > 0) return median(measured.map((sample) => requestRate(sample)))
  const running = await startPeer(bench, sidegate())
  try {
    await warmUp(bench, running, true, SMALL_GET)
    return requestRate(await measure(bench, running, 0, SMALL_GET))
  } finally {
    await running.child?.stop()
  }
}
