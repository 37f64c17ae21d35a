import type { Socket } from 'node:net'
import { Exchange, type ExchangeContext } from '../exchange.ts'
import { type ClientFacts, directClient } from '../facts/client-address.ts'
import type { BodySink } from '../http1/chunked-decoder.ts'
import { MalformedMessage, SectionTooLarge } from '../http1/malformed.ts'
import { RequestReader, type RequestStart } from '../http1/request-reader.ts'
import { type Refusal, refusal } from '../refusal.ts'
import type { ReplyHead } from '../reply.ts'
import type { Listed } from '../roster.ts'
import { release } from './release.ts'
import { ReplyWriter } from './reply-writer.ts'

/** Takes a request's body. */
export interface BodyTaker {
  /** @returns whether the bytes have been used up, and more may come; `resumeBody` follows, once they have, where not */
  onBody(bytes: Buffer): boolean
  /** No more is here at the moment. @returns as `onBody` does */
  onPause(): boolean
  onBodyEnd(rawTrailers: readonly string[]): void
}

export interface ConnectionLimits {
  /** Of request line and header section together. */
  readonly headerBytes: number
  /** From the connection, or the first byte of a later request, to the end of the request's head. */
  readonly headersTimeoutMs: number
  /** The longest that a connection may rest between two requests. */
  readonly keepAliveTimeoutMs: number
  /** How much of a request's body is read and dropped after its reply, to keep the connection. */
  readonly unreadBodyBytes: number
}

/** Whose connection it is. */
export interface ConnectionHost {
  readonly limits: ConnectionLimits
  readonly context: ExchangeContext
  /** Not before the present, and little after it. */
  readonly nowMs: number
  onExchange(exchange: Exchange): void
  onExchangeEnd(exchange: Exchange): void
  /** Bytes came that are no request, or none came in time. */
  onUnparsed(connection: ClientConnection, refused: Refusal): void
  onClosed(connection: ClientConnection): void
}

/** How a request is answered of which nothing is known. */
const UNKNOWN_REQUEST = { method: '', httpVersionMinor: 1 }
/** The longest that we read on after the last reply, for the client to notice it. */
const LINGER_MS = 2_000
/** What came too early is kept up to here, and then not read: reading on is how we notice that the client has gone. */
const UNREAD_LIMIT = 16_384

/**
 * - `head`     a request is due, or has begun to come
 * - `exchange` one is being answered: its body is read as it is wanted, and what comes behind it waits
 * - `rest`     it has been answered, and what is left of its body is read and dropped
 * - `closing`  the last reply has gone out: what still comes is read and dropped, since to close a socket with bytes
 *              unread resets it, and the reset can overtake the reply (RFC 9112 §9.6)
 * - `switched` it is no HTTP any more
 */
type State = 'head' | 'exchange' | 'rest' | 'closing' | 'switched' | 'gone'

/** One client's connection: reads its requests one after the other, and writes their replies. */
export class ClientConnection implements BodySink, Listed {
  place = -1
  readonly writer: ReplyWriter
  /** Who is at the other end, as its own client. */
  readonly peer: ClientFacts
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #reader: RequestReader
  #state: State = 'head'
  #exchange: Exchange | undefined
  #taker: BodyTaker | undefined
  #isHeldBack = false
  /** What came before its turn, and what it is the end of. */
  #unread: Buffer | undefined
  #unreadWhole: Buffer | undefined
  /** Whether the taker of the body has not used up what it got by this read. */
  #isLent = false
  /** What it has not used up. */
  #lent: Buffer | undefined
  #droppedBytes = 0
  /** Where the next request begins cannot be told: nothing more is read. */
  #isBroken = false
  /** When something is overdue; 0 for never. */
  #deadlineMs: number
  /** Whether it is a head that is due, rather than a client that rests. */
  #isHeadDue = true
  /** When the first byte came of a head that is not whole yet; else 0. */
  #headSinceMs = 0

  constructor(host: ConnectionHost, socket: Socket) {
    this.#host = host
    this.#socket = socket
    this.peer = directClient(socket.remoteAddress)
    this.writer = new ReplyWriter(socket, this.#onReplySent)
    this.#reader = new RequestReader(this, host.limits.headerBytes)
    this.#deadlineMs = host.nowMs + host.limits.headersTimeoutMs
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('close', this.#onClose)
    socket.on('error', () => socket.destroy())
  }

  /** The exchange under way. */
  get exchange(): Exchange | undefined {
    return this.#exchange
  }

  /** Whether it rests: nothing of a request is here. */
  get isIdle(): boolean {
    return this.#state === 'head' && !this.#reader.isWithinHead
  }

  /** Whether it has left HTTP, and is still open. */
  get isSwitched(): boolean {
    return this.#state === 'switched'
  }

  /** Reads the body of the request under way. */
  readBody(taker: BodyTaker): void {
    this.#taker = taker
    this.#readOn()
  }

  /** What was read of the body has been used up. */
  resumeBody(): void {
    this.#isHeldBack = false
    if (this.#lent !== undefined) release(this.#lent)
    this.#lent = undefined
    this.#readOn()
  }

  /** Nobody wants the rest of the body. */
  leaveBody(): void {
    this.#taker = undefined
    this.#isHeldBack = false
    this.#lent = undefined // not released: it may still be on its way
  }

  onBody(bytes: Buffer): void {
    if (this.#taker?.onBody(bytes) === false) this.#isHeldBack = this.#isLent = true
  }

  /** Ends what is overdue. */
  checkDeadline(nowMs: number): void {
    this.#exchange?.checkStalls(nowMs)
    if (this.#deadlineMs === 0 || nowMs < this.#deadlineMs) return
    if (this.#state !== 'head') this.destroy()
    else if (this.#isHeadDue) this.#host.onUnparsed(this, refusal('request-timeout', 'no whole request head in time'))
    else this.close()
  }

  /** Answers what is no request, and ends the connection. */
  answerUnparsed(head: ReplyHead, body: string): void {
    this.writer.head(head, UNKNOWN_REQUEST, true)
    this.writer.body(Buffer.from(body), true)
    this.writer.end()
    this.close()
  }

  /** Ends the connection behind what has been written, gently. */
  close(): void {
    if (this.#state === 'closing' || this.#state === 'gone') return
    this.#state = 'closing'
    this.#droppedBytes = 0
    this.#unread = undefined
    this.#deadlineMs = this.#host.nowMs + LINGER_MS
    this.#socket.end()
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Breaks off a reply, so that the client cannot take it for whole. */
  cut(): void {
    if (this.writer.endsByClose) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  /**
   * Lets go of the connection, which leaves HTTP.
   *
   * @returns it, with what has come on it already
   */
  handOver(): { readonly socket: Socket; readonly early: Buffer | undefined } {
    this.#state = 'switched'
    const early = this.#unread
    this.#unread = undefined
    this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain)
    this.#socket.pause()
    return { socket: this.#socket, early }
  }

  readonly #onData = (bytes: Buffer): void => {
    const unread = this.#unread
    this.#unread = undefined
    if (unread === undefined) this.#readAll(bytes, bytes)
    else {
      const joined = Buffer.concat([unread, bytes])
      this.#readAll(joined, joined)
    }
  }

  /** @param whole what the bytes are a part of, and nobody else has a part of */
  #readAll(bytes: Buffer, whole: Buffer): void {
    this.#isLent = false
    this.#read(bytes)
    if (this.#unread !== undefined) this.#unreadWhole = whole
    // What has been lent is on its way, even where the body has ended: it comes back by `resumeBody`, or is collected.
    else if (!this.#isLent) release(whole)
    else if (this.#isHeldBack) this.#lent = whole
  }

  #read(bytes: Buffer): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        const end = this.#readSome(bytes, at)
        if (end === at) {
          this.#unread = bytes.subarray(at)
          break
        }
        at = end
      }
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      this.#onMalformed(error)
    }
    if (this.#taker?.onPause() === false) this.#isHeldBack = this.#isLent = true
    if (this.#isHeldBack || (this.#unread !== undefined && this.#unread.length >= UNREAD_LIMIT)) this.#socket.pause()
  }

  #readOn(): void {
    const unread = this.#unread
    if (unread !== undefined) {
      this.#unread = undefined
      this.#socket.resume() // unless reading what is here pauses it again
      this.#readAll(unread, this.#unreadWhole ?? unread)
    } else if (!this.#isHeldBack && this.#socket.isPaused()) this.#socket.resume()
  }

  /** @returns where it stopped: at `start` where what comes next must wait for its turn */
  #readSome(bytes: Buffer, start: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, start)
      case 'exchange': {
        if (this.#isBroken) return bytes.length
        if (this.#taker === undefined || this.#reader.isBodyDone) return start
        const end = this.#reader.readBody(bytes, start)
        if (this.#reader.isBodyDone) this.#endBody()
        return end
      }
      case 'rest': {
        const end = this.#reader.readBody(bytes, start)
        this.#drop(end - start)
        if (this.#reader.isBodyDone) this.#awaitNext()
        return end
      }
      case 'switched':
        return start
      default:
        this.#drop(bytes.length - start)
        return bytes.length
    }
  }

  #readHead(bytes: Buffer, start: number): number {
    const request = this.#reader.readHead(bytes, start)
    const end = this.#reader.headEnd
    if (request !== undefined) this.#begin(request)
    else if (this.#reader.isWithinHead) this.#awaitRestOfHead()
    return end
  }

  #awaitRestOfHead(): void {
    if (this.#headSinceMs === 0) this.#headSinceMs = performance.now()
    if (this.#isHeadDue) return
    this.#isHeadDue = true
    this.#deadlineMs = this.#host.nowMs + this.#host.limits.headersTimeoutMs
  }

  #begin(request: RequestStart): void {
    this.#state = 'exchange'
    this.#deadlineMs = 0
    this.#isBroken = request.framing instanceof MalformedMessage
    const headSinceMs = this.#headSinceMs
    this.#headSinceMs = 0
    this.#exchange = new Exchange(this.#host.context, request, this, headSinceMs)
    this.#host.onExchange(this.#exchange)
  }

  #endBody(): void {
    const taker = this.#taker
    this.leaveBody()
    taker?.onBodyEnd(this.#reader.trailers)
  }

  #drop(byteCount: number): void {
    this.#droppedBytes += byteCount
    if (this.#droppedBytes > this.#host.limits.unreadBodyBytes) this.destroy()
  }

  #awaitNext(): void {
    this.#state = 'head'
    this.#isHeadDue = false
    this.#deadlineMs = this.#host.nowMs + this.#host.limits.keepAliveTimeoutMs
  }

  /** The last byte of a reply has been taken by the system. */
  readonly #onReplySent = (error?: Error | null): void => {
    const exchange = this.#exchange
    if (exchange === undefined || (error !== undefined && error !== null)) return // `close` follows an error
    this.#exchange = undefined
    this.leaveBody()
    const isLast = this.writer.closes || this.#isBroken
    exchange.onSent()
    this.#host.onExchangeEnd(exchange)
    this.writer.reset()
    if (isLast) this.close()
    else if (this.#reader.isBodyDone) this.#awaitNext()
    else {
      this.#state = 'rest'
      this.#droppedBytes = 0
      this.#deadlineMs = this.#host.nowMs + LINGER_MS
    }
    this.#readOn()
  }

  readonly #onDrain = (): void => {
    this.#exchange?.onDrain()
  }

  /** The client says no more: unless its reply is on its way, it waits for none. */
  readonly #onEnd = (): void => {
    if (this.#state === 'exchange' && !this.writer.isEnded) this.destroy()
    else {
      this.#unread = undefined
      this.#isBroken = true // nothing more is answered
      this.#socket.end()
    }
  }

  readonly #onClose = (): void => {
    this.#state = 'gone'
    const exchange = this.#exchange
    this.#exchange = undefined
    if (exchange !== undefined) {
      exchange.onGone()
      this.#host.onExchangeEnd(exchange)
    }
    this.#host.onClosed(this)
  }

  #onMalformed(error: MalformedMessage): void {
    this.#isBroken = true
    if (this.#state === 'head') this.#host.onUnparsed(this, malformedRefusal(error))
    else if (this.#exchange === undefined) this.destroy()
    else this.#exchange.refuse(malformedRefusal(error))
  }
}

const malformedRefusal = (error: MalformedMessage): Refusal => {
  if (!(error instanceof SectionTooLarge)) return refusal('malformed-request', error.message)
  return refusal(error.isWithinFirstLine ? 'uri-too-long' : 'header-too-large')
}
