import type { Results } from '../results.ts'
import { allSamples } from './errors-in.ts'
import { saturationSection } from './saturation-section.ts'
import {
  holdsSection,
  idleMemorySection,
  latencySection,
  layersSection,
  microSection,
  workersSection,
} from './special-sections.ts'

/** The whole report, as Markdown. Pure: the same results make the same text. */
export const renderReport = (results: Results): string => {
  const { saturation, latency, idleMemory, workers, layers, micro } = results
  return [
    heading(results),
    ...saturation.map((scenario) => saturationSection(scenario)),
    latency && latencySection(latency),
    idleMemory && idleMemorySection(idleMemory),
    workers && workersSection(workers),
    layers && layersSection(layers),
    micro && microSection(micro),
    // Of a run that was about something else there is nothing to hold.
    layers === undefined && micro === undefined ? holdsSection(results) : undefined,
    footnotes(results),
  ]
    .filter((section) => section !== undefined)
    .join('\n')
}

const heading = ({ date, commandLine, machine, rounds, seconds, isInterrupted, remarks }: Results): string => {
  const versions = Object.entries(machine.versions).map(([program, version]) => `${program} ${version}`)
  return [
    `# Benchmark of ${date}`,
    '',
    `\`${commandLine}\``,
    '',
    `${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Linux ${machine.kernel}.`,
    `${versions.join(', ')}.`,
    '',
    `${rounds} rounds of ${seconds} s a peer, interleaved: each round goes over all peers, begun with another one. Figures are`,
    'medians of the rounds, with the least and the greatest in brackets; a ratio is the median of the ratios within a round.',
    ...remarks.map((remark) => `\n**${remark}**`),
    ...(isInterrupted ? ['\n**The run was interrupted: this is what there was.**'] : []),
    '',
  ].join('\n')
}

const footnotes = (results: Results): string => {
  const sources = new Set(allSamples(results).flatMap(({ cpu }) => (cpu === undefined ? [] : [cpu.source])))
  const lines = [
    ...results.missing.map(({ what, why }) => `- **Missing**: ${what}, since ${why}.`),
    ...results.notes.map(({ peer, note }) => `- ${peer}: ${note}.`),
    ...(sources.has('schedstat')
      ? [
          '- CPU time is that of the whole tree of processes, from `schedstat` of each thread (nanoseconds), where it agrees with `stat`.',
        ]
      : []),
    ...(sources.has('stat')
      ? ['- CPU time of some windows is from `stat`, in clock ticks: `schedstat` was not there or did not agree.']
      : []),
    '- “core used”: the CPU time by the length of the window. A peer well below 100 % was held up by the load or the upstream, so that its requests/s are a floor.',
  ]
  return `## Notes\n\n${lines.join('\n')}\n`
}
