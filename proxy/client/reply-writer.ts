import type { Socket } from 'node:net'
import { fieldValue } from '../headers.ts'
import { NO_TRAILERS } from '../http1/chunked-decoder.ts'
import { fieldLines } from '../http1/field-lines.ts'
import { lastChunk } from '../http1/last-chunk.ts'
import type { ReplyHead } from '../reply.ts'
import { release } from './release.ts'
import { replyHeadText } from './reply-head-text.ts'

/**
 * Below this a piece is copied and goes out together with what is held; above, a second write costs less. The buffer of
 * a client's socket has this size too, so that its `drain` follows whatever has been written uncopied.
 */
export const SMALL_BYTES = 8_192
/** As much as is held at most. */
const HELD_LIMIT = 16_384
const NOTHING = Buffer.alloc(0)

/** What of the request decides how its reply is written. */
export interface RepliedRequest {
  readonly method: string
  readonly httpVersionMinor: number
}

/**
 * Writes the replies of one connection, one after the other. What is small is held until `flush`, so that a head and
 * the whole of a small body are one write.
 */
export class ReplyWriter {
  readonly #socket: Socket
  /** Called once the last byte of a reply has been taken by the system. */
  readonly #onSent: () => void
  /** As latin1. */
  #held = ''
  #isChunked = false
  #hasBody = false
  #hasHead = false
  #hasLeft = false
  #isEnded = false
  #closes = false
  #endsByClose = false

  constructor(socket: Socket, onSent: () => void) {
    this.#socket = socket
    this.#onSent = onSent
  }

  /** Whether a byte of the reply has gone out, so that it cannot be another one any more. */
  get hasLeft(): boolean {
    return this.#hasLeft
  }

  get hasHead(): boolean {
    return this.#hasHead
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Whether the connection ends with this reply. */
  get closes(): boolean {
    return this.#closes
  }

  /** Bytes that the system has not taken. */
  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  /** The next reply may be written. */
  reset(): void {
    this.#hasHead = this.#hasLeft = this.#isEnded = this.#closes = false
  }

  /** Whether the end of the reply is that of its connection, and nothing else tells of it. */
  get endsByClose(): boolean {
    return this.#endsByClose
  }

  /** A `1xx`: goes out at once, before the head, and not to a client that does not read. */
  informational(status: number, headers: readonly string[]): void {
    if (this.pendingBytes > 0) return
    const head = `HTTP/1.1 ${status} ${INFORMATIONAL[status] ?? ''}\r\n${fieldLines(headers)}\r\n`
    this.#socket.write(head, 'latin1')
  }

  /** @param mustClose whether the connection ends with this reply, whatever the reply says of that */
  head(head: ReplyHead, request: RepliedRequest, mustClose: boolean): void {
    const { status } = head
    this.#hasBody = request.method !== 'HEAD' && status !== 204 && status !== 304
    const isLengthKnown = !this.#hasBody || fieldValue(head.headers, 'content-length') !== undefined
    this.#isChunked = !isLengthKnown && request.httpVersionMinor === 1
    this.#endsByClose = !isLengthKnown && !this.#isChunked
    this.#closes = mustClose || this.#endsByClose || fieldValue(head.headers, 'connection') === 'close'
    this.#hasHead = true
    this.#held = replyHeadText(head, this.#isChunked, this.#closes, request.httpVersionMinor)
  }

  /** Takes back a head of which nothing has left yet. */
  takeBack(): void {
    this.#held = ''
    this.#hasHead = false
  }

  /**
   * @param isStable whether the bytes stay as they are until the socket's `drain`, where the answer is no
   * @returns whether the client keeps up; `drain` follows where not
   */
  body(bytes: Buffer, isStable: boolean): boolean {
    if (!this.#hasBody || bytes.length === 0) return true
    if (this.#isChunked) this.#held += `${bytes.length.toString(16)}\r\n`
    if (bytes.length >= SMALL_BYTES) return isStable ? this.#writeLarge(bytes) : this.#writeCopy(bytes)
    this.#held += bytes.toString('latin1')
    if (this.#isChunked) this.#held += '\r\n'
    return this.#held.length <= HELD_LIMIT || this.flush()
  }

  end(trailers: readonly string[] = NO_TRAILERS): void {
    this.#isEnded = true
    if (this.#isChunked && this.#hasBody) this.#held += lastChunk(trailers)
    const last = this.#held
    this.#held = ''
    this.#hasLeft = true
    if (last === '') this.#socket.write(NOTHING, this.#onSent)
    else this.#socket.write(last, 'latin1', this.#onSent)
  }

  /** Lets go of what is held. @returns as `body` does */
  flush(): boolean {
    if (this.#held === '') return true
    const text = this.#held
    this.#held = ''
    this.#hasLeft = true
    return this.#keepsUp(this.#socket.write(text, 'latin1'))
  }

  /** Its memory is given back at once where the system has taken it: left to a collection, it makes a body cost a third more. */
  #writeCopy(bytes: Buffer): boolean {
    const copy = Buffer.allocUnsafeSlow(bytes.length)
    copy.set(bytes)
    const isTaken = this.#writeLarge(copy)
    if (isTaken) release(copy)
    return isTaken
  }

  #writeLarge(bytes: Buffer): boolean {
    this.#hasLeft = true
    if (this.#held === '') this.#socket.write(bytes)
    else {
      this.#socket.cork()
      this.#socket.write(this.#held, 'latin1')
      this.#socket.write(bytes)
      this.#socket.uncork()
    }
    this.#held = this.#isChunked ? '\r\n' : ''
    return this.#socket.writableLength === 0
  }

  /** A write of more than the socket's buffer is never called good, even where the system has taken it whole. */
  #keepsUp(written: boolean): boolean {
    return written || this.#socket.writableLength === 0
  }
}

const INFORMATIONAL: Readonly<Record<number, string>> = { 100: 'Continue', 102: 'Processing', 103: 'Early Hints' }
