/** Stands for a level without prefixes, so that a look-up need not ask whether there are any. */
const NONE = new Int32Array(1)

/** Of a mask: there are prefixes of a deeper level that begin so. */
export const DEEPER = 1 << 31

/** A prefix is of the level of the whole groups of bits in it, and has some `rest` of the next group. */
interface Level {
  /** How many prefixes there are of each rest, in each cell. */
  readonly counts: Uint32Array[]
  /** How many prefixes of deeper levels begin with the groups of each cell. */
  readonly deeper: Uint32Array
}

/**
 * Which lengths of prefix there may be near an address, so that a look-up asks for these alone. All prefixes of a level
 * whose whole groups hash to one cell share it: it may tell of lengths that are not there, and never misses one that is.
 * What a look-up reads is four bytes for each cell of a level: with 65,536 of them it stays in the processor's cache.
 */
export class NearbyLengths {
  readonly cells: number
  readonly #masks: Int32Array[]
  readonly #levels: (Level | undefined)[]

  /** @param cells of each level, a power of 2 */
  constructor(levels: number, cells: number) {
    this.cells = cells
    this.#masks = Array.from({ length: levels }, () => NONE)
    this.#levels = Array.from({ length: levels }, () => undefined)
  }

  /** A bit for each rest, and `DEEPER`. @param hash of the whole groups */
  mask(level: number, hash: number): number {
    const masks = this.#masks[level] as Int32Array
    return masks[hash & (masks.length - 1)] as number
  }

  /** @param by 1 for a prefix more, -1 for one less */
  change(level: number, hash: number, rest: number, by: 1 | -1): void {
    const { counts } = this.#levelAt(level)
    counts[rest] ??= new Uint32Array(this.cells)
    this.#count(counts[rest], level, hash, 1 << rest, by)
  }

  /** For each level above that of a prefix. */
  changeDeeper(level: number, hash: number, by: 1 | -1): void {
    this.#count(this.#levelAt(level).deeper, level, hash, DEEPER, by)
  }

  #levelAt(level: number): Level {
    const known = this.#levels[level]
    if (known !== undefined) return known
    this.#masks[level] = new Int32Array(this.cells)
    const made = { counts: [], deeper: new Uint32Array(this.cells) }
    this.#levels[level] = made
    return made
  }

  #count(counts: Uint32Array, level: number, hash: number, bit: number, by: 1 | -1): void {
    const masks = this.#masks[level] as Int32Array
    const cell = hash & (this.cells - 1)
    const count = (counts[cell] as number) + by
    counts[cell] = count
    masks[cell] = count === 0 ? (masks[cell] as number) & ~bit : (masks[cell] as number) | bit
  }
}
