import type { Block } from './block.ts'
import { TextPool } from './text-pool.ts'

/** What is known of a block beside its range. */
export type BlockRecord = Omit<Block, 'range'>

const CHUNK_BITS = 15
const CHUNK = 1 << CHUNK_BITS

interface Chunk {
  readonly sinceMs: Float64Array
  readonly untilMs: Float64Array
  readonly forgetAtMs: Float64Array
  readonly stamp: Float64Array
  readonly count: Uint32Array
  readonly author: Uint32Array
  readonly reason: Uint32Array
  readonly isManual: Uint8Array
}

/** Records by number, in columns of numbers: an object for each of a million blocks would be three times the memory. */
export class BlockRecords {
  readonly #chunks: Chunk[] = []
  readonly #texts = new TextPool()

  /** @param isNew whether there is none under this number yet */
  set(id: number, record: BlockRecord, isNew: boolean): void {
    if (!isNew) this.#giveUpTexts(id)
    while (this.#chunks.length <= id >>> CHUNK_BITS) this.#chunks.push(newChunk())
    const chunk = this.#chunkOf(id)
    const at = id & (CHUNK - 1)
    chunk.sinceMs[at] = record.sinceMs
    chunk.untilMs[at] = record.untilMs
    chunk.forgetAtMs[at] = record.forgetAtMs
    chunk.stamp[at] = record.stamp
    chunk.count[at] = record.count
    chunk.author[at] = this.#texts.take(record.author)
    chunk.reason[at] = this.#texts.take(record.reason)
    chunk.isManual[at] = record.source === 'manual' ? 1 : 0
  }

  delete(id: number): void {
    this.#giveUpTexts(id)
  }

  get(id: number): BlockRecord {
    const chunk = this.#chunkOf(id)
    const at = id & (CHUNK - 1)
    return {
      source: chunk.isManual[at] === 1 ? 'manual' : 'auto',
      author: this.#texts.text(chunk.author[at] as number),
      reason: this.#texts.text(chunk.reason[at] as number),
      sinceMs: chunk.sinceMs[at] as number,
      untilMs: chunk.untilMs[at] as number,
      forgetAtMs: chunk.forgetAtMs[at] as number,
      count: chunk.count[at] as number,
      stamp: chunk.stamp[at] as number,
    }
  }

  untilMs(id: number): number {
    return this.#chunkOf(id).untilMs[id & (CHUNK - 1)] as number
  }

  forgetAtMs(id: number): number {
    return this.#chunkOf(id).forgetAtMs[id & (CHUNK - 1)] as number
  }

  #giveUpTexts(id: number): void {
    const { author, reason } = this.#chunkOf(id)
    this.#texts.giveUp(author[id & (CHUNK - 1)] as number)
    this.#texts.giveUp(reason[id & (CHUNK - 1)] as number)
  }

  #chunkOf(id: number): Chunk {
    return this.#chunks[id >>> CHUNK_BITS] as Chunk
  }
}

const newChunk = (): Chunk => ({
  sinceMs: new Float64Array(CHUNK),
  untilMs: new Float64Array(CHUNK),
  forgetAtMs: new Float64Array(CHUNK),
  stamp: new Float64Array(CHUNK),
  count: new Uint32Array(CHUNK),
  author: new Uint32Array(CHUNK),
  reason: new Uint32Array(CHUNK),
  isManual: new Uint8Array(CHUNK),
})
