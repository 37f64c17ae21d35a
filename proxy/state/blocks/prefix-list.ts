import type { Cidr } from '../addresses/cidr.ts'
import { addressOf } from './address-words.ts'

const CHUNK_BITS = 15
const CHUNK = 1 << CHUNK_BITS

interface Chunk {
  readonly words: Int32Array
  /** One more than the length; 0 where a number has no prefix. */
  readonly lengths: Uint8Array
}

/** Prefixes by number. Whoever walks over the numbers meets each that stays, whatever comes and goes meanwhile. */
export class PrefixList {
  readonly #wordsEach: number
  readonly #chunks: Chunk[] = []
  readonly #free: number[] = []
  #end = 0

  constructor(wordsEach: number) {
    this.#wordsEach = wordsEach
  }

  /** All numbers are below this. */
  get end(): number {
    return this.#end
  }

  get size(): number {
    return this.#end - this.#free.length
  }

  /** @param words masked. @returns its number */
  add(words: Int32Array, bits: number): number {
    const id = this.#free.pop() ?? this.#end++
    if (id >>> CHUNK_BITS === this.#chunks.length) {
      this.#chunks.push({ words: new Int32Array(CHUNK * this.#wordsEach), lengths: new Uint8Array(CHUNK) })
    }
    const chunk = this.#chunks[id >>> CHUNK_BITS] as Chunk
    const at = id & (CHUNK - 1)
    for (let word = 0; word < this.#wordsEach; word++) chunk.words[at * this.#wordsEach + word] = words[word] as number
    chunk.lengths[at] = bits + 1
    return id
  }

  remove(id: number): void {
    const chunk = this.#chunks[id >>> CHUNK_BITS] as Chunk
    chunk.lengths[id & (CHUNK - 1)] = 0
    this.#free.push(id)
  }

  /** -1 where no prefix has this number. */
  bits(id: number): number {
    return id < this.#end ? ((this.#chunks[id >>> CHUNK_BITS] as Chunk).lengths[id & (CHUNK - 1)] as number) - 1 : -1
  }

  /** @param id of one that there is */
  readWords(id: number, into: Int32Array): void {
    const { words } = this.#chunks[id >>> CHUNK_BITS] as Chunk
    const start = (id & (CHUNK - 1)) * this.#wordsEach
    for (let at = 0; at < this.#wordsEach; at++) into[at] = words[start + at] as number
  }

  /** @param id of one that there is */
  cidr(id: number): Cidr {
    const { words } = this.#chunks[id >>> CHUNK_BITS] as Chunk
    const start = (id & (CHUNK - 1)) * this.#wordsEach
    return { address: addressOf(words.subarray(start, start + this.#wordsEach)), bits: this.bits(id) }
  }
}
