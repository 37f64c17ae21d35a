import type { BodyTaker } from '../client/connection.ts'
import type { Exchange } from '../exchange.ts'
import { keptTrailers } from '../headers.ts'
import { lastChunk } from '../http1/last-chunk.ts'
import type { Connection } from './connection.ts'

/** Below this a piece is copied, and goes out together with others: a chunk of one byte costs no packet of its own. */
const SMALL_BYTES = 8_192

/** A request's body on its way to the app, held back while the app does not read. */
export class Upload implements BodyTaker {
  readonly #exchange: Exchange
  readonly #connection: Connection
  readonly #isChunked: boolean
  /** The request's head, until it goes out. */
  #head: string
  /** Small pieces, as latin1. */
  #pieces = ''
  #isOver = false

  /** @param head of the request: goes out together with what is already here of the body */
  constructor(exchange: Exchange, connection: Connection, head: string, isChunked: boolean) {
    this.#exchange = exchange
    this.#connection = connection
    this.#head = head
    this.#isChunked = isChunked
  }

  start(): void {
    this.#exchange.sendContinue()
    this.#exchange.noteUpload(true)
    this.#exchange.client.readBody(this)
    if (this.#head !== '') this.#connection.write(this.#takeHeld())
  }

  /** The app has taken what was sent. */
  resume(): void {
    if (this.#isOver) return
    this.#exchange.noteUpload(true)
    this.#exchange.client.resumeBody()
  }

  /** Nobody wants the rest. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#exchange.noteUpload(false)
    this.#exchange.client.leaveBody()
  }

  onBody(bytes: Buffer): boolean {
    if (bytes.length < SMALL_BYTES) {
      this.#pieces += bytes.toString('latin1')
      return this.#pieces.length < SMALL_BYTES || this.onPause()
    }
    const before = this.#takeHeld()
    return this.#note(
      this.#isChunked
        ? this.#connection.writeBytes(`${before}${bytes.length.toString(16)}\r\n`, bytes, '\r\n')
        : this.#connection.writeBytes(before, bytes, ''),
    )
  }

  onPause(): boolean {
    const held = this.#takeHeld()
    return this.#note(held === '' ? this.#connection.isDrained : this.#connection.write(held))
  }

  onBodyEnd(rawTrailers: readonly string[]): void {
    this.#isOver = true
    this.#exchange.noteUpload(false)
    let last = this.#takeHeld()
    if (this.#isChunked) last += lastChunk(keptTrailers(rawTrailers, this.#exchange.request.rawHeaders))
    if (last !== '') this.#connection.write(last)
    this.#connection.endRequest()
  }

  /** While the app does not read, the client owes us nothing. */
  #note(isTaken: boolean): boolean {
    this.#exchange.noteUpload(isTaken)
    return isTaken
  }

  #takeHeld(): string {
    const pieces = this.#pieces
    const head = this.#head
    this.#head = this.#pieces = ''
    if (!this.#isChunked || pieces === '') return head + pieces
    return `${head}${pieces.length.toString(16)}\r\n${pieces}\r\n`
  }
}
