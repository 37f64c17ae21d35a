/** Of each power of two: a bucket is 1/64 of it wide at most, so that its middle is within 0.8 % of all that is in it. */
const PARTS_BITS = 6
/** 2⁻⁷ ms, below which all count as it. */
const LOWEST_EXPONENT = -7
/** 2²² ms, or 70 minutes, above which all count as it. */
const HIGHEST_EXPONENT = 22
const EXPONENT_BIAS = 1_023
const SHIFT = 20 - PARTS_BITS
const LOWEST = (EXPONENT_BIAS + LOWEST_EXPONENT) << PARTS_BITS

export const LATENCY_BUCKETS = (HIGHEST_EXPONENT - LOWEST_EXPONENT) << PARTS_BITS

// The exponent and the first digits of a number stand at the top of its 64 bits: to look there costs less than a logarithm.
const number = new Float64Array(1)
const words = new Uint32Array(number.buffer)
const HIGH_WORD = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0

/** What is less than nothing, or no number, counts as nothing. */
export const latencyBucketOf = (ms: number): number => {
  number[0] = ms > 0 ? ms : 0 // neither -0, whose sign stands at the top
  const bucket = ((words[HIGH_WORD] as number) >>> SHIFT) - LOWEST
  return bucket < 0 ? 0 : bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1
}

/** The middle of a bucket, in milliseconds. */
export const latencyOf = (bucket: number): number => (edgeOf(bucket) + edgeOf(bucket + 1)) / 2

const edgeOf = (bucket: number): number => {
  const exponent = (bucket >> PARTS_BITS) + LOWEST_EXPONENT
  const part = bucket & ((1 << PARTS_BITS) - 1)
  return 2 ** exponent * (1 + part / (1 << PARTS_BITS))
}
