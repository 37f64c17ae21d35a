import { addTo, COUNTS_LENGTH, LATENCIES_AT, SLOW_AT, type SparseCounts, sparse } from './counts.ts'
import { latencyBucketOf } from './latency-buckets.ts'
import { kindOf } from './verdict.ts'

/** Of each series whose name was met last, since the start: names of policies that are gone go with all others. */
const TOTALS_LIMIT = 1_000

/** Counts of one series since they were taken last. */
class Series {
  readonly counts = new Uint32Array(COUNTS_LENGTH)
  isTouched = false

  record(verdict: number, latencyMs: number, thresholdMs: number): void {
    const { counts } = this
    counts[verdict] = (counts[verdict] as number) + 1
    this.isTouched = true
    if (kindOf(verdict) !== 'good') return
    if (latencyMs > thresholdMs) counts[SLOW_AT] = (counts[SLOW_AT] as number) + 1
    const bucket = LATENCIES_AT + latencyBucketOf(latencyMs)
    counts[bucket] = (counts[bucket] as number) + 1
  }
}

/** What is counted between two looks, in plain numbers: all that an exchange costs. */
export class Recorder {
  readonly #series = new Map<string, Series>()
  readonly #totals = new Map<string, Float64Array>()

  /**
   * @param verdict of VERDICTS
   * @param thresholdMs of the objective: a good one that is later than this is slow
   */
  record(name: string, verdict: number, latencyMs: number, thresholdMs = Number.POSITIVE_INFINITY): void {
    let counted = this.#series.get(name)
    if (counted === undefined) {
      counted = new Series()
      this.#series.set(name, counted)
    }
    counted.record(verdict, latencyMs, thresholdMs)
  }

  /** All that has been counted since this was asked last. */
  *take(): Generator<{ readonly name: string; readonly counts: SparseCounts }> {
    for (const [name, counted] of this.#series) {
      if (!counted.isTouched) {
        this.#series.delete(name) // it may be of a policy that is gone
        continue
      }
      const counts = sparse(counted.counts)
      this.#addToTotals(name, counts)
      yield { name, counts }
      counted.counts.fill(0)
      counted.isTouched = false
    }
  }

  /** What was taken since the start, by name and by place. */
  get totals(): ReadonlyMap<string, Float64Array> {
    return this.#totals
  }

  #addToTotals(name: string, counts: SparseCounts): void {
    let sums = this.#totals.get(name)
    if (sums === undefined) {
      if (this.#totals.size >= TOTALS_LIMIT) this.#totals.clear() // counters may begin anew
      sums = new Float64Array(SLOW_AT + 1)
      this.#totals.set(name, sums)
    }
    addTo(sums, counts, false)
  }
}
