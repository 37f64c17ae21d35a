import type { BodyTaker } from '../client/connection.ts'
import type { Exchange } from '../exchange.ts'
import { keptTrailers } from '../headers.ts'
import { lastChunk } from '../http1/last-chunk.ts'
import type { Connection } from './connection.ts'

/** A request's body on its way to the app, held back while the app does not read. */
export class Upload implements BodyTaker {
  readonly #exchange: Exchange
  readonly #connection: Connection
  readonly #isChunked: boolean

  constructor(exchange: Exchange, connection: Connection, isChunked: boolean) {
    this.#exchange = exchange
    this.#connection = connection
    this.#isChunked = isChunked
  }

  start(): void {
    this.#exchange.sendContinue()
    this.#exchange.uploadStalledSinceMs = performance.now()
    this.#exchange.client.readBody(this)
  }

  /** The app takes more. */
  resume(): void {
    this.#exchange.uploadStalledSinceMs = performance.now()
    this.#exchange.client.resumeBody()
  }

  /** Nobody wants the rest. */
  stop(): void {
    this.#exchange.uploadStalledSinceMs = 0
    this.#exchange.client.leaveBody()
  }

  onBody(bytes: Buffer): boolean {
    const keepsUp = this.#send(bytes)
    // While the app does not read, the client owes us nothing.
    this.#exchange.uploadStalledSinceMs = keepsUp ? performance.now() : 0
    return keepsUp
  }

  onBodyEnd(rawTrailers: readonly string[]): void {
    this.#exchange.uploadStalledSinceMs = 0
    if (this.#isChunked) this.#connection.write(lastChunk(keptTrailers(rawTrailers, this.#exchange.request.rawHeaders)))
    this.#connection.endRequest()
  }

  #send(bytes: Buffer): boolean {
    if (!this.#isChunked) return this.#connection.write(bytes)
    this.#connection.cork()
    this.#connection.write(`${bytes.length.toString(16)}\r\n`)
    this.#connection.write(bytes)
    const keepsUp = this.#connection.write('\r\n')
    this.#connection.uncork()
    return keepsUp
  }
}
