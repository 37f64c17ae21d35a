const BYTES = 17

/**
 * Which lengths of prefix there are at all: those from one whole number of bytes to the next are asked for together where
 * there are several of them, and one by itself as what it is.
 */
export class LengthsInUse {
  readonly #counts = new Uint32Array(BYTES * 8)
  readonly #ofByte = new Uint8Array(BYTES)
  /** A bit for each number of whole bytes that prefixes of several lengths have, and of one length. */
  bytesOfSeveral = 0
  bytesOfOne = 0

  /** A bit for each number of bits behind so many whole bytes. */
  behind(byte: number): number {
    return this.#ofByte[byte] as number
  }

  /** @param by 1 for a prefix more, -1 for one less */
  count(bits: number, by: 1 | -1): void {
    const count = (this.#counts[bits] as number) + by
    this.#counts[bits] = count
    const [byte, length] = [bits >>> 3, 1 << (bits & 7)]
    const lengths = count === 0 ? this.behind(byte) & ~length : this.behind(byte) | length
    this.#ofByte[byte] = lengths
    const isSeveral = (lengths & (lengths - 1)) !== 0
    this.bytesOfSeveral = withBit(this.bytesOfSeveral, byte, isSeveral)
    this.bytesOfOne = withBit(this.bytesOfOne, byte, lengths !== 0 && !isSeveral)
  }
}

const withBit = (bits: number, at: number, isSet: boolean): number => (isSet ? bits | (1 << at) : bits & ~(1 << at))
