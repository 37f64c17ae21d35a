import type { CpuSource } from './process-tree.ts'
import type { WrkResult } from './wrk.ts'

/** One window of load on one peer. */
export interface Sample extends WrkResult {
  readonly peer: string
  readonly round: number
  /** Of the whole tree of the peer's processes; `direct` has none. */
  readonly cpu?: { readonly micros: number; readonly source: CpuSource }
  /** Under load. */
  readonly rssBytes?: number
}

export interface SaturationResults {
  readonly scenario: string
  readonly title: string
  readonly bodyBytes?: number
  readonly samples: readonly Sample[]
  /** Before the first request but those of the check, and a second after the last. */
  readonly idleRss: readonly { readonly peer: string; readonly beforeBytes: number; readonly afterBytes?: number }[]
  /** Peers that took no part, and why. */
  readonly absent: readonly Absence[]
}

export interface Absence {
  readonly peer: string
  readonly why: string
}

export interface LatencySample {
  readonly peer: string
  readonly round: number
  /** Asked for; the same for all peers of a round. */
  readonly requestsPerSecond: number
  readonly requests: number
  readonly failures: number
  readonly p50Micros: number
  readonly p99Micros: number
}

export interface LatencyResults {
  readonly samples: readonly LatencySample[]
  readonly absent: readonly Absence[]
}

export interface IdleMemory {
  readonly peer: string
  /** By the number of idle connections; undefined where they could not be opened. */
  readonly rssBytes: Readonly<Record<number, number>>
}

export interface IdleMemoryResults {
  readonly connections: readonly number[]
  readonly peers: readonly IdleMemory[]
  readonly absent: readonly Absence[]
}

export interface WorkersResults {
  readonly samples: readonly Sample[]
}

export interface LayerResults {
  /** Samples whose `peer` is `all` or what was left out. */
  readonly samples: readonly Sample[]
  readonly absent: readonly Absence[]
}

export interface MicroResult {
  readonly name: string
  /** Per call, of each round. */
  readonly nanoseconds: readonly number[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly memoryBytes: number
  /** By program. */
  readonly versions: Readonly<Record<string, string>>
}

/** Everything that a run found; what was not asked for is not there. */
export interface Results {
  readonly date: string
  readonly commandLine: string
  machine: Machine
  readonly rounds: number
  readonly seconds: number
  /** What holds for the whole run, e.g. that there is one core only. */
  readonly remarks: string[]
  /** What a reader must know of a peer. */
  readonly notes: { readonly peer: string; readonly note: string }[]
  /** Figures that were asked for and are not there. */
  readonly missing: { readonly what: string; readonly why: string }[]
  readonly saturation: SaturationResults[]
  latency?: LatencyResults
  idleMemory?: IdleMemoryResults
  workers?: WorkersResults
  layers?: LayerResults
  micro?: readonly MicroResult[]
  isInterrupted: boolean
}
