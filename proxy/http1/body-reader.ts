import { type BodySink, ChunkedDecoder, NO_TRAILERS } from './chunked-decoder.ts'
import type { Framing } from './framing.ts'

type State = 'length' | 'chunked' | 'until-close' | 'done'

/** Reads the bodies of one connection, one after the other, in whatever pieces they come. */
export class BodyReader {
  readonly #sink: BodySink
  readonly #chunks: ChunkedDecoder
  #state: State = 'done'
  #remaining = 0
  #trailers = NO_TRAILERS

  constructor(sink: BodySink, trailerLimitBytes: number) {
    this.#sink = sink
    this.#chunks = new ChunkedDecoder(sink, trailerLimitBytes)
  }

  /** Whether the body has come whole. */
  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** Of the body that is done: names and values in turn. */
  get trailers(): readonly string[] {
    return this.#trailers
  }

  beginNone(): void {
    this.#trailers = NO_TRAILERS
    this.#state = 'done'
  }

  /** One that says its end. */
  begin({ isChunked, length }: Framing): void {
    this.#trailers = NO_TRAILERS
    if (isChunked) {
      this.#chunks.begin()
      this.#state = 'chunked'
    } else {
      this.#remaining = length ?? 0
      this.#state = this.#remaining === 0 ? 'done' : 'length'
    }
  }

  /** One that ends with its connection. */
  beginUntilClose(): void {
    this.#trailers = NO_TRAILERS
    this.#state = 'until-close'
  }

  /**
   * @returns where in `bytes` it stopped: at their end, or behind the body
   * @throws MalformedMessage
   */
  read(bytes: Buffer, start: number): number {
    switch (this.#state) {
      case 'length': {
        const end = Math.min(bytes.length, start + this.#remaining)
        this.#remaining -= end - start
        if (this.#remaining === 0) this.#state = 'done'
        this.#sink.onBody(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
        return end
      }
      case 'chunked': {
        const end = this.#chunks.decode(bytes, start, bytes.length)
        if (this.#chunks.isDone) {
          this.#trailers = this.#chunks.trailers
          this.#state = 'done'
        }
        return end
      }
      case 'until-close':
        this.#sink.onBody(bytes.subarray(start))
        return bytes.length
      case 'done':
        return start
    }
  }

  /** The connection has ended in order, and with it a body that says its end in no other way. */
  close(): void {
    if (this.#state === 'until-close') this.#state = 'done'
  }
}
