import type { Results, Sample } from '../results.ts'
import { errorCount } from '../wrk.ts'

/** Every window of load in the results. */
export const allSamples = (results: Results): Sample[] => [
  ...results.saturation.flatMap(({ samples }) => samples),
  ...(results.workers?.samples ?? []),
  ...(results.layers?.samples ?? []),
]

/** Requests that failed, in the whole run: replies of 400 and more, and broken connections. */
export const errorsIn = (results: Results): number =>
  allSamples(results).reduce((sum, sample) => sum + errorCount(sample), 0) +
  (results.latency?.samples ?? []).reduce((sum, { failures }) => sum + failures, 0)
