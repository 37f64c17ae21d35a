import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, measure, type RunningPeer, rotated, SETTLE_MS, startOrName, warmUp } from './bench.ts'
import { DIRECT } from './peers/all-peers.ts'
import { readTreeRssBytes } from './process-tree.ts'
import type { Absence, Sample } from './results.ts'
import type { Saturation } from './scenarios.ts'

/** All peers under full load, in interleaved rounds. */
export const runSaturation = async (bench: Bench, scenario: Saturation): Promise<void> => {
  const samples: Sample[] = []
  const absent: Absence[] = []
  const idleRss: { peer: string; beforeBytes: number; afterBytes?: number }[] = []
  const { name, title, bodyBytes } = scenario
  // In the results from the start, so that what there is can be shown after Ctrl-C.
  bench.results.saturation.push({
    scenario: name,
    title,
    ...(bodyBytes !== undefined && { bodyBytes }),
    samples,
    idleRss,
    absent,
  })
  const running: RunningPeer[] = []
  if (bench.options.peers.includes(DIRECT)) {
    if (scenario.upstream === 'tcp') running.push({ name: DIRECT, port: bench.upstream.port, child: undefined })
    else absent.push({ peer: DIRECT, why: 'wrk speaks TCP alone' })
  }
  try {
    for (const peer of bench.peers) {
      const why = peer.excluded?.[name]
      if (why !== undefined) {
        absent.push({ peer: peer.name, why })
        continue
      }
      bench.say(`  starting and warming ${peer.name}`)
      const started = await startOrName(bench, peer, absent, { kind: scenario.upstream })
      if (started === undefined) continue
      running.push(started)
      await delay(SETTLE_MS)
      idleRss.push({ peer: peer.name, beforeBytes: await rssBytes(started) })
      await warmUp(bench, started, peer.isJit, scenario)
    }
    for (let round = 0; round < bench.options.rounds; round++) {
      for (const peer of rotated(running, round)) samples.push(await measure(bench, peer, round + 1, scenario))
    }
    await delay(SETTLE_MS)
    for (const idle of idleRss) {
      const peer = running.find((candidate) => candidate.name === idle.peer)
      if (peer !== undefined) idle.afterBytes = await rssBytes(peer)
    }
  } finally {
    await Promise.all(running.map(({ child }) => child?.stop()))
  }
}

const rssBytes = ({ child }: RunningPeer): Promise<number> => readTreeRssBytes(child?.pid as number)
