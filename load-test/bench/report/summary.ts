import type { LatencySample, Sample, SaturationResults } from '../results.ts'
import { median, type Spread, spread } from '../statistics.ts'
import { errorCount, requestRate } from '../wrk.ts'

/** One peer's rounds, summed up. */
export interface PeerSummary {
  readonly cpuMicrosPerRequest: Spread | undefined
  /** Of large bodies. */
  readonly cpuMicrosPerMebibyte: number | undefined
  /** How much of a core it used; 1 is the whole. */
  readonly coreShare: number | undefined
  readonly requestsPerSecond: Spread
  readonly megabytesPerSecond: number | undefined
  readonly p50Micros: number
  readonly p99Micros: number
  readonly rssBytes: number | undefined
  readonly errors: number
}

const MEBIBYTE = 1_048_576

/** Undefined where there is nothing to take the median of. */
const medianOf = (values: readonly (number | undefined)[]): number | undefined => {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}

const cpuPerRequest = ({ cpu, requests }: Sample): number | undefined =>
  cpu === undefined ? undefined : cpu.micros / requests

export const peersIn = (samples: readonly { readonly peer: string }[]): string[] => [
  ...new Set(samples.map(({ peer }) => peer)),
]

/** Undefined where the peer has no samples. */
export const summarise = (
  { samples, bodyBytes }: Pick<SaturationResults, 'samples' | 'bodyBytes'>,
  peer: string,
): PeerSummary | undefined => {
  const own = samples.filter((sample) => sample.peer === peer)
  const requestsPerSecond = spread(own.map((sample) => requestRate(sample)))
  if (requestsPerSecond === undefined) return undefined
  const ofBodies = (figure: (sample: Sample, bytes: number) => number | undefined) =>
    bodyBytes === undefined ? undefined : medianOf(own.map((sample) => figure(sample, sample.requests * bodyBytes)))
  return {
    cpuMicrosPerRequest: spread(own.map((sample) => cpuPerRequest(sample)).filter((micros) => micros !== undefined)),
    cpuMicrosPerMebibyte: ofBodies(({ cpu }, bytes) => cpu && cpu.micros / (bytes / MEBIBYTE)),
    coreShare: medianOf(own.map(({ cpu, durationMicros }) => cpu && cpu.micros / durationMicros)),
    requestsPerSecond,
    megabytesPerSecond: ofBodies(({ durationMicros }, bytes) => bytes / durationMicros),
    p50Micros: median(own.map(({ latencyMicros }) => latencyMicros.p50)),
    p99Micros: median(own.map(({ latencyMicros }) => latencyMicros.p99)),
    rssBytes: medianOf(own.map(({ rssBytes }) => rssBytes)),
    errors: own.reduce((sum, sample) => sum + errorCount(sample), 0),
  }
}

/** The median, over the rounds in which both were measured, of what one figure is to another of the same round. */
const pairedMedian = <S extends { readonly peer: string; readonly round: number }>(
  samples: readonly S[],
  peer: string,
  other: string,
  compare: (own: S, other: S) => number | undefined,
): number | undefined =>
  medianOf(
    samples
      .filter((sample) => sample.peer === peer)
      .map((own) => {
        const others = samples.find((sample) => sample.peer === other && sample.round === own.round)
        return others === undefined ? undefined : compare(own, others)
      }),
  )

/** Of CPU per request. */
export const cpuRatio = (samples: readonly Sample[], peer: string, other: string): number | undefined =>
  pairedMedian(samples, peer, other, (own, others) => {
    const [cpu, othersCpu] = [cpuPerRequest(own), cpuPerRequest(others)]
    return cpu === undefined || othersCpu === undefined ? undefined : cpu / othersCpu
  })

/** Of CPU per request, in µs: what the first takes more than the second. */
export const cpuDifference = (samples: readonly Sample[], peer: string, other: string): number | undefined =>
  pairedMedian(samples, peer, other, (own, others) => {
    const [cpu, othersCpu] = [cpuPerRequest(own), cpuPerRequest(others)]
    return cpu === undefined || othersCpu === undefined ? undefined : cpu - othersCpu
  })

/** Of requests per second. */
export const rateRatio = (samples: readonly Sample[], peer: string, other: string): number | undefined =>
  pairedMedian(samples, peer, other, (own, others) => requestRate(own) / requestRate(others))

/** Latency beyond that of the upstream alone. */
export const addedMicros = (
  samples: readonly LatencySample[],
  peer: string,
  which: 'p50Micros' | 'p99Micros',
): number | undefined => pairedMedian(samples, peer, 'direct', (own, direct) => own[which] - direct[which])
