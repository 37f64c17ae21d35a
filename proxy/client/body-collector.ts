import type { Exchange } from '../exchange.ts'
import { MalformedMessage } from '../http1/malformed.ts'
import type { BodyTaker } from './connection.ts'

/** The body, or why there is none: more than is read, more at once than there is memory for, or none in time. */
export type Collected = Buffer | 'too-large' | 'busy' | 'late'

/**
 * Reads whole bodies, for who must see one before it answers. Those that are under way share an amount of memory, which
 * is taken for each before its first byte: many that never end cost no more than that, and end at their deadline.
 */
export class BodyCollector {
  readonly #totalBytes: number
  readonly #deadlineMs: number
  #takenBytes = 0

  constructor(totalBytes: number, deadlineMs: number) {
    this.#totalBytes = totalBytes
    this.#deadlineMs = deadlineMs
  }

  /**
   * The exchange must be answered afterwards, since its body cannot be read again. Never rejects; where the client
   * leaves, it ends at the deadline, and is nobody's then.
   */
  async collect(exchange: Exchange, limitBytes: number): Promise<Collected> {
    const { framing } = exchange.request
    if (!exchange.hasBody || framing instanceof MalformedMessage) return Buffer.alloc(0)
    const { length = limitBytes } = framing
    if (length > limitBytes) return 'too-large'
    if (this.#takenBytes + length > this.#totalBytes) return 'busy'
    this.#takenBytes += length
    const { collected } = new Collection(exchange, length, this.#deadlineMs)
    return collected.finally(() => {
      this.#takenBytes -= length
    })
  }
}

/** One body on its way into memory. */
class Collection implements BodyTaker {
  readonly collected: Promise<Collected>
  readonly #exchange: Exchange
  readonly #resolve: (collected: Collected) => void
  readonly #timer: NodeJS.Timeout
  /** Copied into, piece by piece, since what is read is read over: a body of many small pieces takes no more memory. */
  readonly #bytes: Buffer
  #length = 0

  constructor(exchange: Exchange, limitBytes: number, deadlineMs: number) {
    this.#exchange = exchange
    this.#bytes = Buffer.allocUnsafeSlow(limitBytes)
    const { promise, resolve } = Promise.withResolvers<Collected>()
    this.collected = promise
    this.#resolve = resolve
    this.#timer = setTimeout(() => this.#giveUp('late'), deadlineMs)
    this.#timer.unref()
    exchange.sendContinue()
    exchange.client.readBody(this)
  }

  onBody(bytes: Buffer): boolean {
    if (this.#length + bytes.length > this.#bytes.length) this.#giveUp('too-large')
    else this.#length += bytes.copy(this.#bytes, this.#length)
    return true
  }

  onPause(): boolean {
    return true
  }

  onBodyEnd(): void {
    clearTimeout(this.#timer)
    this.#resolve(this.#bytes.subarray(0, this.#length))
  }

  #giveUp(why: 'too-large' | 'late'): void {
    clearTimeout(this.#timer)
    const { client } = this.#exchange
    // By the deadline the connection may be gone, or at its next exchange.
    if (client.exchange === this.#exchange) client.leaveBody()
    this.#resolve(why)
  }
}
