import { type Bench, measure, type RunningPeer, rotated, startPeer, warmUp } from './bench.ts'
import { sidegate } from './peers/sidegate.ts'
import type { Sample } from './results.ts'
import { SMALL_GET } from './scenarios.ts'

/** More than one wrk thread's worth of requests in flight, so that both workers always have some. */
const LOAD = { ...SMALL_GET, connections: 64 }

/** Sidegate with one worker and with two, on two cores of its own. */
export const runWorkers = async (bench: Bench): Promise<void> => {
  const { pairs } = bench.cores
  if (pairs === undefined) {
    const why = 'it takes four cores, two for the load and the upstream and two for the proxy'
    bench.results.missing.push({ what: 'WORKERS=2 against WORKERS=1', why })
    return
  }
  const samples: Sample[] = []
  bench.results.workers = { samples }
  const running: RunningPeer[] = []
  try {
    for (const workers of ['1', '2']) {
      const started = await startPeer(bench, sidegate({ WORKERS: workers }), { cpus: pairs.proxy })
      running.push({ ...started, name: `WORKERS=${workers}` })
      await warmUp(bench, started, true, LOAD)
    }
    for (let round = 0; round < bench.options.rounds; round++) {
      for (const peer of rotated(running, round)) {
        samples.push(await measure(bench, peer, round + 1, LOAD, pairs.load))
      }
    }
  } finally {
    await Promise.all(running.map(({ child }) => child?.stop()))
  }
}
