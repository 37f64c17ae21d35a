import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, measure, type RunningPeer, rotated, startOrName, startPeer, warmUp } from './bench.ts'
import { runH2load, steadyRate } from './h2load.ts'
import { DIRECT } from './peers/all-peers.ts'
import { SIDEGATE, sidegate } from './peers/sidegate.ts'
import type { Absence, LatencySample } from './results.ts'
import { SMALL_GET } from './scenarios.ts'
import { H2LOAD } from './tools.ts'
import { requestRate } from './wrk.ts'

const PAUSE_MS = 200

/**
 * Latency of every peer at one rate, half of what Sidegate can do at most; and straight at the upstream. What it can do is
 * measured in each round, since on a machine that others use as well it is not the same a minute later.
 */
export const runHalfLoad = async (bench: Bench): Promise<void> => {
  if (!bench.hasH2load) {
    bench.results.missing.push({ what: 'latency at half load', why: `there is no ${H2LOAD.command} on the PATH` })
    return
  }
  const samples: LatencySample[] = []
  const absent: Absence[] = []
  bench.results.latency = { samples, absent }
  // Without it there is nothing that latency is added to.
  const running: RunningPeer[] = [{ name: DIRECT, port: bench.upstream.port, child: undefined }]
  let standard: RunningPeer | undefined
  try {
    for (const peer of bench.peers) {
      bench.say(`  starting and warming ${peer.name}`)
      const started = await startOrName(bench, peer, absent)
      if (started === undefined) continue
      running.push(started)
      if (started.name === SIDEGATE) standard = started
      await warmUp(bench, started, peer.isJit, SMALL_GET)
    }
    standard ??= await warmStandard(bench)
    for (let round = 0; round < bench.options.rounds; round++) {
      const requestsPerSecond = steadyRate(requestRate(await measure(bench, standard, round + 1, SMALL_GET)) / 2)
      bench.say(`  round ${round + 1} at ${requestsPerSecond} requests/s`)
      for (const peer of rotated(running, round)) {
        await delay(PAUSE_MS)
        const load = { port: peer.port, path: SMALL_GET.path, requestsPerSecond, seconds: bench.options.seconds }
        const result = await runH2load(bench.children, bench.cores.load, bench.folder, load)
        samples.push({ peer: peer.name, round: round + 1, requestsPerSecond, ...result })
        bench.say(`  round ${round + 1}  ${peer.name}: p50 ${result.p50Micros} µs, p99 ${result.p99Micros} µs`)
        if (result.failures > 0) bench.say(`  ERRORS: ${peer.name} failed ${result.failures} requests`)
      }
    }
  } finally {
    await Promise.all([...running, standard].map((peer) => peer?.child?.stop()))
  }
}

/** Where Sidegate is not among the peers, the rate is its own all the same. */
const warmStandard = async (bench: Bench): Promise<RunningPeer> => {
  const started = await startPeer(bench, sidegate())
  await warmUp(bench, started, true, SMALL_GET)
  return started
}
