import type { Bench } from './bench.ts'
import { runHalfLoad } from './half-load.ts'
import { runIdleMemory } from './idle-memory.ts'
import { runLayers } from './layers.ts'
import { runMicro } from './micro.ts'
import { runSaturation } from './saturation.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { runWorkers } from './workers.ts'

/** What the options ask for, one after the other; the results fill as it goes. */
export const runEverything = async (bench: Bench): Promise<void> => {
  const { options, say } = bench
  if (options.layers) {
    say('layers: what each costs')
    await runLayers(bench)
  }
  if (options.micro) {
    say('micro: nanoseconds a call')
    await runMicro(bench)
  }
  if (options.layers || options.micro) return
  for (const scenario of scenarios) {
    if (!options.scenarios.includes(scenario.name)) continue
    say(`${scenario.name}: ${scenario.title}`)
    await runScenario(bench, scenario)
  }
}

const runScenario = (bench: Bench, scenario: Scenario): Promise<void> => {
  switch (scenario.kind) {
    case 'saturation':
      return runSaturation(bench, scenario)
    case 'half-load-latency':
      return runHalfLoad(bench)
    case 'idle-memory':
      return runIdleMemory(bench)
    case 'workers':
      return runWorkers(bench)
  }
}
