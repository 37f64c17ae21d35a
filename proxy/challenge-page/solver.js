/**
 * Finds the number for which SHA-256(salt number) is the challenge. Runs in a worker, or in slices in the page: without
 * `crypto.subtle`, which pages on plain http do not have, and which takes longer for so short a text.
 */
// biome-ignore lint/correctness/noUnusedVariables: page.js, which follows it in the page, calls it
function createSolver(puzzle) {
  const K = new Uint32Array(64)
  const first = new Uint32Array(8)
  // The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4 §4.2.2, §5.3.3).
  for (let candidate = 2, found = 0; found < 64; candidate++) {
    let isPrime = true
    for (let factor = 2; factor * factor <= candidate; factor++) if (candidate % factor === 0) isPrime = false
    if (!isPrime) continue
    const fraction = (root) => ((root - Math.floor(root)) * 4294967296) | 0
    if (found < 8) first[found] = fraction(Math.sqrt(candidate))
    K[found++] = fraction(Math.cbrt(candidate))
  }

  const W = new Uint32Array(64)
  /** Takes one block of 64 bytes into `state`. */
  const compress = (state, bytes, start) => {
    for (let i = 0; i < 16; i++) {
      const at = start + 4 * i
      W[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
    }
    for (let i = 16; i < 64; i++) {
      const x = W[i - 15]
      const y = W[i - 2]
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      W[i] = W[i - 16] + s0 + W[i - 7] + s1
    }
    let [a, b, c, d, e, f, g, h] = state
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h
  }

  const salt = new TextEncoder().encode(puzzle.salt)
  const wanted = new Uint32Array(8)
  for (let i = 0; i < 8; i++) wanted[i] = Number.parseInt(puzzle.challenge.slice(8 * i, 8 * i + 8), 16)
  // The whole blocks of the salt are the same for each number.
  const middle = first.slice()
  const wholeBytes = salt.length - (salt.length % 64)
  for (let at = 0; at < wholeBytes; at += 64) compress(middle, salt, at)
  const rest = salt.length - wholeBytes
  const tail = new Uint8Array(128)
  const state = new Uint32Array(8)
  let number = 0

  const isSolution = () => {
    const digits = String(number)
    tail.fill(0)
    tail.set(salt.subarray(wholeBytes))
    for (let i = 0; i < digits.length; i++) tail[rest + i] = digits.charCodeAt(i)
    const end = rest + digits.length
    tail[end] = 0x80
    const blocks = end + 9 > 64 ? 2 : 1
    const bits = 8 * (wholeBytes + end)
    for (let i = 0; i < 4; i++) tail[64 * blocks - 1 - i] = bits >>> (8 * i)
    state.set(middle)
    for (let block = 0; block < blocks; block++) compress(state, tail, 64 * block)
    for (let i = 0; i < 8; i++) if (state[i] !== wanted[i]) return false
    return true
  }

  /** Tries `count` numbers more. Gives the solution, `null` where there is none, or how many have been tried. */
  return (count) => {
    for (const end = number + count; number < end; number++) {
      if (number > puzzle.maxnumber) return { number: null }
      if (isSolution()) return { number }
    }
    return { tried: number }
  }
}
