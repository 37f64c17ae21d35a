import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { MalformedMessage } from '../http1/malformed.ts'
import { ReplyReader, type ReplySink, type ReplyStart } from '../http1/reply-reader.ts'
import type { Listed } from '../roster.ts'
import { ConnectionLost, UpstreamTimeout } from './failure.ts'
import { keepAliveMs } from './keep-alive.ts'
import { bodyIdleTimeoutMs, type CallTimeouts, headersTimeoutMs, type UpstreamLimits } from './limits.ts'
import type { OpenSocket } from './open-socket.ts'
import { ReadBuffer } from './read-buffer.ts'

/** A round trip, as the connection that carries it knows it. */
export interface Call {
  readonly method: string
  /** Whether the app is asked to leave HTTP. */
  readonly wantsSwitch: boolean
  readonly timeouts: CallTimeouts
  /** A connection begins to be opened for it. Another that is free before may be given to it all the same. */
  onOpening(): void
  /** A connection is there: the request goes out now. */
  onConnected(connection: Connection): void
  /** The app has taken what was written: more may follow. */
  onDrain(): void
  /** A `1xx`, any number of times, and then the reply's own. */
  onHead(head: ReplyStart): void
  /**
   * @param isStable whether the bytes stay as they are until `resume`, where the answer is no; else they do for the call
   * @returns whether more may come at once; `resume` follows where not
   */
  onBody(bytes: Buffer, isStable: boolean): boolean
  /** No more is here of the reply at the moment. @returns as `onBody` does */
  onPause(): boolean
  onEnd(rawTrailers: readonly string[]): void
  /** The app has agreed to leave HTTP: the connection is the call's alone now. */
  onSwitch(head: ReplyStart, socket: Duplex): void
  /** @param isReuseRace whether the app may just have closed the connection as idle as it was used again */
  onFailure(error: Error, isReuseRace: boolean): void
}

/** Who keeps connections. */
export interface ConnectionOwner {
  /** Not before the present, and little after it: deadlines are counted from here, as asking the clock costs more. */
  readonly nowMs: number
  /** The deadline of what may take so long from now on; it is looked at as often as such a time asks for. */
  deadlineIn(timeoutMs: number): number
  /** It has been opened, or has done its work, and is free. */
  onFree(connection: Connection): void
  /** @param error why it could not be opened, for one that never was */
  onGone(connection: Connection, error: Error | undefined): void
}

/**
 * An app that closed the connection as idle says so within a round trip. One that takes longer has had the request, and may
 * have died of it.
 */
const REUSE_RACE_MS = 1_000

const NOTHING = Buffer.alloc(0)
const NO_TIMEOUTS: CallTimeouts = {}

type State = 'connecting' | 'free' | 'busy' | 'gone'

/**
 * One HTTP/1.1 connection to the app, for one call at a time:
 *
 *     connecting ─▶ free ◀─▶ busy
 *          └─────────┴────────┴──▶ gone   closed, cut, or handed over to what is no HTTP
 */
export class Connection implements ReplySink, Listed {
  place = -1
  readonly #owner: ConnectionOwner
  readonly #limits: UpstreamLimits
  readonly #socket: Socket
  readonly #reader: ReplyReader
  readonly #buffer = new ReadBuffer()
  #state: State = 'connecting'
  #repliesRead = 0
  /** When this is overdue, and for what; 0 for never. */
  #deadlineMs = 0
  #awaited = ''
  #error: Error | undefined

  #call: Call | undefined
  #assignedAtMs = 0
  #isRequestSent = false
  #hasReplyBegun = false
  #isHeadRead = false
  #keepAliveMs = 0
  #isPaused = false
  #isDrainAwaited = false
  #switchHead: ReplyStart | undefined

  constructor(
    owner: ConnectionOwner,
    limits: UpstreamLimits,
    connectTimeoutMs: number,
    open: OpenSocket,
    isForSwitch: boolean,
  ) {
    this.#owner = owner
    this.#limits = limits
    this.#reader = new ReplyReader(this, limits.headerBytes)
    this.mayTakeToOpen(connectTimeoutMs)
    this.#socket = open(this.#buffer, this.#onRead, this.#onOpen, isForSwitch)
    this.#socket.on('end', this.#onClose)
    this.#socket.on('close', this.#onClose)
    this.#socket.on('error', this.#onError)
  }

  /** Whether it is open, and carries no call. */
  get isFree(): boolean {
    return this.#state === 'free'
  }

  /** From now on, for one that is not open. */
  mayTakeToOpen(timeoutMs: number): void {
    this.#await('a connection', timeoutMs)
  }

  /** Gives the connection, which must be free, to a call. */
  assign(call: Call): void {
    this.#state = 'busy'
    this.#deadlineMs = 0
    this.#call = call
    this.#assignedAtMs = this.#owner.nowMs
    this.#isRequestSent = false
    this.#hasReplyBegun = false
    this.#isHeadRead = false
    this.#reader.begin(call.method)
    call.onConnected(this)
  }

  /** Whether the system has taken all that was written. */
  get isDrained(): boolean {
    return this.#socket.writableLength === 0
  }

  /** @returns whether the system has taken it; `onDrain` follows where not */
  write(text: string): boolean {
    this.#socket.write(text, 'latin1')
    return this.#awaitDrain()
  }

  /** @returns whether the system has taken the bytes, so that their memory is free again; `onDrain` follows where not */
  writeBytes(before: string, bytes: Buffer, behind: string): boolean {
    if (before === '' && behind === '') this.#socket.write(bytes)
    else {
      this.#socket.cork()
      if (before !== '') this.#socket.write(before, 'latin1')
      this.#socket.write(bytes)
      if (behind !== '') this.#socket.write(behind, 'latin1')
      this.#socket.uncork()
    }
    return this.#awaitDrain()
  }

  /** The request has been written whole. */
  endRequest(): void {
    this.#isRequestSent = true
    if (!this.#isHeadRead) this.#await('the head of the reply', this.#headersTimeoutMs)
    else if (!this.#isPaused) this.#awaitMoreOfReply()
  }

  /** The client reads again. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#awaitMoreOfReply()
    this.#socket.resume()
  }

  /** Cuts the connection: nobody wants what it carries, or it is of no more use. */
  destroy(): void {
    this.#leave()
    this.#socket.destroy()
  }

  /** Cuts the connection, and tells the call that it carries. */
  fail(error: Error): void {
    const call = this.#call
    const isReuseRace =
      error instanceof ConnectionLost &&
      this.#repliesRead > 0 &&
      !this.#hasReplyBegun &&
      this.#owner.nowMs - this.#assignedAtMs <= REUSE_RACE_MS
    this.destroy()
    call?.onFailure(error, isReuseRace)
  }

  /** Ends what is overdue. */
  checkDeadline(nowMs: number): void {
    if (this.#deadlineMs === 0 || nowMs < this.#deadlineMs) return
    const late = new UpstreamTimeout(`waited in vain for ${this.#awaited}`)
    this.#error ??= late
    this.fail(late)
  }

  onHead(head: ReplyStart): void {
    if (head.status >= 200) {
      this.#isHeadRead = true
      this.#keepAliveMs = keepAliveMs(head, this.#limits.keepAliveTimeoutMs)
    } else if (head.status === 101) {
      this.#switchHead = head // handed over together with what has come behind it
      return
    }
    this.#call?.onHead(head)
  }

  onBody(bytes: Buffer): void {
    if (this.#call?.onBody(bytes, this.#buffer.isStable(bytes)) === false) this.#isPaused = true
  }

  /** What the client is slow to send is not the app's to answer for; what the app is slow to take is. */
  #awaitDrain(): boolean {
    if (this.isDrained) return true
    if (!this.#isHeadRead) this.#await('the app to take the request', this.#headersTimeoutMs)
    else if (!this.#isPaused) this.#awaitMoreOfReply()
    if (!this.#isDrainAwaited) {
      this.#isDrainAwaited = true
      // A socket's own `drain` comes only where more has been written than its buffer takes.
      this.#socket.write(NOTHING, this.#onDrain)
    }
    return false
  }

  /** An app that has begun to answer early may well wait for the rest of the request, for as long as the client owes us that. */
  #awaitMoreOfReply(): void {
    if (!this.#isRequestSent && this.isDrained) this.#deadlineMs = 0
    else this.#await('more of the reply', bodyIdleTimeoutMs(this.#call?.timeouts ?? NO_TIMEOUTS, this.#limits))
  }

  get #headersTimeoutMs(): number {
    return headersTimeoutMs(this.#call?.timeouts ?? NO_TIMEOUTS, this.#limits)
  }

  #await(what: string, timeoutMs: number): void {
    this.#awaited = what
    this.#deadlineMs = this.#owner.deadlineIn(timeoutMs)
  }

  readonly #onOpen = (): void => {
    if (this.#state !== 'connecting') return
    this.#rest(this.#limits.keepAliveTimeoutMs)
  }

  /** @returns whether to read on at once */
  readonly #onRead = (bytes: Buffer): boolean => {
    if (this.#call === undefined) {
      this.destroy() // What nobody asked for, a 408 most likely, answers no request of ours.
      return false
    }
    this.#hasReplyBegun = true
    this.#buffer.noteRead(bytes)
    try {
      const used = this.#reader.read(bytes)
      if (this.#reader.isDone) this.#complete(used < bytes.length)
      else if (this.#switchHead !== undefined) this.#handOver(this.#switchHead, bytes.subarray(used))
      else this.#awaitMore()
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      this.fail(error)
    }
    if (!this.#isPaused) return true
    this.#socket.pause()
    return false
  }

  #awaitMore(): void {
    if (this.#call?.onPause() === false) this.#isPaused = true
    if (this.#isPaused) this.#deadlineMs = 0
    else if (this.#isHeadRead) this.#awaitMoreOfReply()
  }

  /** @param hasMore whether the app has said more than it was asked for, or nothing more can come */
  #complete(hasMore: boolean): void {
    const call = this.#call
    if (call === undefined) return // aborted as it was read
    this.#call = undefined
    this.#repliesRead++
    this.#buffer.leaveOwn(!this.#isPaused)
    this.#isPaused = false
    // What is left of a request that was answered early would be read as the beginning of the next.
    const isSent = this.#isRequestSent && this.isDrained
    if (isSent && !hasMore && this.#keepAliveMs > 0) this.#rest(this.#keepAliveMs)
    else this.destroy()
    call.onEnd(this.#reader.trailers)
  }

  #rest(forMs: number): void {
    this.#state = 'free'
    this.#awaited = 'the next request'
    this.#deadlineMs = this.#owner.nowMs + forMs // how often that is looked at is not the app's to say
    this.#owner.onFree(this)
  }

  #handOver(head: ReplyStart, rest: Buffer): void {
    const call = this.#call
    if (call?.wantsSwitch !== true) {
      this.fail(new MalformedMessage('a switch of protocols that was not asked for'))
      return
    }
    this.#leave()
    const socket = this.#socket
    socket.removeAllListeners('data')
    socket.pause() // until its new owner reads, or what is put back would be passed over
    socket.off('end', this.#onClose).off('close', this.#onClose)
    if (rest.length > 0) socket.unshift(rest)
    call.onSwitch(head, socket)
  }

  readonly #onDrain = (): void => {
    this.#isDrainAwaited = false
    if (this.#call === undefined || !this.#awaitDrain()) return
    if (!this.#isRequestSent) this.#deadlineMs = 0
    this.#call.onDrain()
  }

  readonly #onError = (error: Error): void => {
    this.#error ??= error
  }

  /** On `end`, and on `close`, which comes alone after a reset: a reset body is not whole. */
  readonly #onClose = (): void => {
    if (this.#state === 'gone') return
    if (this.#error === undefined) this.#reader.close()
    if (this.#call !== undefined && this.#reader.isDone) this.#complete(true)
    else this.fail(new ConnectionLost('the app closed the connection within its reply', { cause: this.#error }))
  }

  #leave(): void {
    if (this.#state === 'gone') return
    const wasConnecting = this.#state === 'connecting'
    this.#state = 'gone'
    this.#call = undefined
    this.#deadlineMs = 0
    this.#owner.onGone(this, wasConnecting ? (this.#error ?? new ConnectionLost('closed as it was opened')) : undefined)
  }
}
