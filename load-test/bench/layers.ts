import { fileURLToPath } from 'node:url'
import { freePort } from '../../deploy/local/ports.ts'
import { proxyNode } from '../../proxy/node-options.ts'
import { type Bench, measure, type RunningPeer, rotated, warmUp } from './bench.ts'
import { ALL_LAYERS, INDISPENSABLE, LAYERS_LINE, type LayerVariant, layerVariants } from './layer-variants.ts'
import type { Sample } from './results.ts'
import { SMALL_GET } from './scenarios.ts'
import { answers } from './try-request.ts'

const SCRIPT = fileURLToPath(new URL('entries/layers.ts', import.meta.url))
const START_TIMEOUT_MS = 20_000

/** What each layer of the proxy costs: all of them against all but one, in interleaved rounds. */
export const runLayers = async (bench: Bench): Promise<void> => {
  const samples: Sample[] = []
  bench.results.layers = {
    samples,
    absent: [
      {
        peer: `a variant that lacks ${INDISPENSABLE}`,
        why: 'no pipeline can be made without what replies to refusals',
      },
    ],
  }
  const running: RunningPeer[] = []
  const start = async (variant: LayerVariant): Promise<string[]> => {
    bench.say(`  starting and warming: ${variant.name}`)
    const { peer, layers } = await startVariant(bench, variant)
    running.push(peer)
    await warmUp(bench, peer, true, SMALL_GET)
    return layers
  }
  try {
    const layers = await start(ALL_LAYERS)
    for (const variant of layerVariants(layers)) if (variant !== ALL_LAYERS) await start(variant)
    for (let round = 0; round < bench.options.rounds; round++) {
      for (const peer of rotated(running, round)) samples.push(await measure(bench, peer, round + 1, SMALL_GET))
    }
  } finally {
    await Promise.all(running.map(({ child }) => child?.stop()))
  }
}

const startVariant = async (
  { children, cores, upstream }: Bench,
  { name, leftOut }: LayerVariant,
): Promise<{ peer: RunningPeer; layers: string[] }> => {
  const port = await freePort()
  let layers: string[] = []
  const child = children.start(
    {
      name: `the proxy, ${name}`,
      cpus: cores.proxy,
      command: process.execPath,
      args: [...proxyNode.flags, SCRIPT],
      environment: {
        NODE_ENV: 'production',
        UPSTREAM_URL: `http://127.0.0.1:${upstream.port}`,
        HOST: '127.0.0.1',
        PORT: String(port),
        DRAIN_DELAY_MS: '0',
        BENCH_LAYERS_LEFT_OUT: leftOut.join(','),
      },
    },
    (line) => {
      if (line.startsWith(LAYERS_LINE)) {
        layers = (JSON.parse(line.slice(LAYERS_LINE.length)) as { name: string }[]).map((layer) => layer.name)
      }
    },
  )
  await answers(port, child, START_TIMEOUT_MS)
  return { peer: { name, port, child }, layers }
}
