import { LATENCY_BUCKETS } from './latency-buckets.ts'
import { VERDICTS } from './verdict.ts'

/**
 * What is counted of one series in one slot of time, as a list of numbers: exchanges by verdict, the good ones later than the objective allows, and the
 * good ones by latency. Two such lists are added place by place, whoever counted them and when.
 */
export const SLOW_AT = VERDICTS.length
export const LATENCIES_AT = 16
export const COUNTS_LENGTH = LATENCIES_AT + LATENCY_BUCKETS

/** The same without its zeros: places and counts in turn, by place. */
export type SparseCounts = Uint32Array

export const sparse = (counts: Uint32Array): SparseCounts => {
  let length = 0
  for (const count of counts) if (count !== 0) length += 2
  const found = new Uint32Array(length)
  let at = 0
  for (let place = 0; place < counts.length; place++) {
    const count = counts[place] as number
    if (count === 0) continue
    found[at++] = place
    found[at++] = count
  }
  return found
}

/** Of two lists: what each place has in both (`add`), or in the one where it is greater (`max`). */
export const merged = (one: SparseCounts, other: SparseCounts, how: 'add' | 'max' = 'add'): SparseCounts => {
  const found = new Uint32Array(one.length + other.length)
  let [length, i, j] = [0, 0, 0]
  while (i < one.length || j < other.length) {
    const here = i < one.length ? (one[i] as number) : Number.POSITIVE_INFINITY
    const there = j < other.length ? (other[j] as number) : Number.POSITIVE_INFINITY
    const place = Math.min(here, there)
    const a = here === place ? (one[i + 1] as number) : 0
    const b = there === place ? (other[j + 1] as number) : 0
    if (here === place) i += 2
    if (there === place) j += 2
    found[length++] = place
    found[length++] = how === 'add' ? a + b : Math.max(a, b)
  }
  return found.slice(0, length)
}

/** Adds a list to sums; those of latencies only where asked, as most who ask need none. */
export const addTo = (sums: Float64Array, counts: SparseCounts, withLatencies: boolean): void => {
  for (let at = 0; at < counts.length; at += 2) {
    const place = counts[at] as number
    if (place >= LATENCIES_AT && !withLatencies) return
    sums[place] = (sums[place] as number) + (counts[at + 1] as number)
  }
}
