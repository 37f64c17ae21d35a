import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Pipeline } from './compose.ts'
import { peerAddress } from './facts/client-address.ts'
import { type Correlation, correlation } from './facts/correlation.ts'
import { fieldValue, requestHeaders } from './headers.ts'
import { lingerOnClose } from './linger.ts'
import { CLIENT_CLOSED_REQUEST, type Outcome } from './outcome.ts'
import { isRefusal, type Refusal, refusal } from './refusal.ts'
import { type Reply, type ReplyHead, removeHeader, setHeader } from './reply.ts'
import type { Handshake } from './upgrade.ts'
import { requestTarget, type Target } from './well-formed.ts'

/** What one exchange may take. */
export interface ExchangeLimits {
  /** Of the request target, in bytes; more is 414. */
  readonly targetBytes: number
  /** The longest a client may leave us waiting for the next byte of its request body. */
  readonly uploadIdleMs: number
  /** The longest a client may leave the reply unread. */
  readonly downloadIdleMs: number
  /** How much of a request body is read and dropped after its reply, to keep the connection. */
  readonly unreadBodyBytes: number
}

/** The upstream's side of an exchange, as far as the client's side must know it. */
export interface UpstreamCall {
  /** The client is gone, or has been answered: what is still under way upstream is in vain. */
  abort(reason: string): void
  /** The client reads again. */
  resume(): void
}

/** What surrounds an exchange, one object for all. */
export interface ExchangeContext {
  readonly pipeline: Pipeline
  readonly limits: ExchangeLimits
  /** Whether replies must end their connection, as the process is draining. */
  readonly isClosing: () => boolean
  /** The reply now begun ends its connection. */
  readonly onLastReply: (connection: Duplex) => void
  readonly onFinish: (exchange: Exchange) => void
}

/**
 * One request with its reply. Its facts are computed first and never change; then the reply is sent through it, by
 * whoever makes it. `finish` fires exactly once, after the reply's last byte or the abort.
 */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly limits: ExchangeLimits
  readonly startedAtMs = performance.now()
  readonly method: string
  /** The target without its query, which may hold what must not be logged. */
  readonly path: string
  /** Undefined where the target is none that an origin server answers for. */
  readonly target: Target | undefined
  readonly correlation: Correlation
  readonly clientAddress: string
  readonly hasBody: boolean
  /** Whether the client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean

  /** How many layers have admitted this exchange. Belongs to the pipeline. */
  depth = 0
  upstream: UpstreamCall | undefined
  /** Whether the connection has left HTTP; its end is then the end of the exchange. */
  isUpgraded = false
  /** What the parser has found wrong with this request while it waited for its turn. */
  broken: Refusal | undefined
  /** Set where the client asks for a WebSocket. */
  handshake: Handshake | undefined
  /** Since when the client owes us the next byte of its body; 0 when it does not. Written by the body's reader. */
  uploadStalledSinceMs = 0

  readonly #context: ExchangeContext
  #downloadStalledSinceMs = 0
  /** What of an ended reply was left to send when last looked. */
  #tailBytes = 0
  #status = 0
  #bodyBytes = 0
  #refusal: Refusal | undefined
  #isOwn = false
  #isCut = false
  #isFinished = false

  constructor(context: ExchangeContext, request: IncomingMessage, response: ServerResponse, expectsContinue = false) {
    this.#context = context
    this.limits = context.limits
    this.request = request
    this.response = response
    this.expectsContinue = expectsContinue
    const { rawHeaders } = request
    const rawTarget = request.url as string
    this.method = request.method as string
    this.target = requestTarget(this.method, rawTarget, fieldValue(rawHeaders, 'host') ?? '')
    this.path = pathOf(this.target?.pathAndQuery ?? withoutCredentials(rawTarget))
    this.correlation = correlation(rawHeaders)
    this.clientAddress = peerAddress(request.socket.remoteAddress)
    this.hasBody = announcesBody(request)
    response.on('close', () => this.#finish())
  }

  get isHeadSent(): boolean {
    return this.response.headersSent
  }

  get isFinished(): boolean {
    return this.#isFinished
  }

  /** The header section towards the app. */
  upstreamHeaders(): string[] {
    const { requestId, trace } = this.correlation
    return requestHeaders(this.request.rawHeaders, {
      host: this.target?.host ?? '',
      clientAddress: this.clientAddress,
      scheme: 'http',
      requestId,
      traceparent: trace.traceparent,
      keepsTraceState: trace.continued,
    })
  }

  /** A `1xx` of the app. `100` is ours to send, and HTTP/1.0 knows none. */
  sendInformational(status: number, headers: string[]): void {
    if (this.isHeadSent || status === 100 || status === 101 || this.request.httpVersionMinor === 0) return
    this.response.writeInformation(status, headers)
  }

  /** Asks the client for the body that it holds back. */
  sendContinue(): void {
    if (this.expectsContinue && !this.isHeadSent) this.response.writeContinue()
  }

  /** Sends the head of the app's reply, after the layers have seen it. */
  sendHead(head: ReplyHead): void {
    const failed = this.#context.pipeline.onReply(this, head)
    if (failed !== undefined) {
      this.refuse(failed)
      return
    }
    this.#writeHead(head)
    // Node holds the head back for the first piece of the body. Most often that is here within this turn of the loop
    // and they go out together; where it is not, as with events yet to come, the head must not wait for it.
    process.nextTick(flushHead, this.response)
  }

  /** The app has agreed to switch protocols: joins the client's connection to its own. */
  switchProtocols(head: ReplyHead, upstream: Duplex): void {
    this.isUpgraded = true
    this.upstream = undefined
    this.#status = head.status
    this.#refusal = this.#context.pipeline.onReply(this, head)
    this.handshake?.join(head, upstream)
  }

  /** @returns false when the client reads slower than the app sends; `resume` of the upstream call follows. */
  sendChunk(chunk: Buffer): boolean {
    this.#bodyBytes += chunk.length
    if (this.response.write(chunk)) return true
    if (this.#downloadStalledSinceMs === 0) {
      this.response.once('drain', () => {
        this.#downloadStalledSinceMs = 0
        this.upstream?.resume()
      })
    }
    this.#downloadStalledSinceMs = performance.now()
    return false
  }

  /** Ends the app's reply. */
  end(trailers: [string, string][]): void {
    if (trailers.length > 0) this.response.addTrailers(trailers)
    this.#end()
  }

  /** Answers with what a layer decided. */
  answer(answer: Refusal | Reply): void {
    if (isRefusal(answer)) this.refuse(answer)
    else this.#sendOwn(answer)
  }

  /** Answers with the reply that the layers make of a refusal, or cuts the reply that has begun. */
  refuse(refused: Refusal): void {
    if (this.#isFinished || this.#refusal !== undefined || this.response.writableEnded) return
    this.#refusal = refused
    this.upstream?.abort(refused.kind)
    if (this.isHeadSent) {
      // The status has gone out: only a broken connection can tell the client that the reply is not whole.
      this.#isCut = true
      this.response.destroy()
      return
    }
    this.#sendOwn(this.#context.pipeline.recover(this, refused))
  }

  /**
   * Refuses or cuts what the client has stalled for too long; called every so often, with the monotonic time.
   */
  checkStalls(nowMs: number): void {
    if (this.response.writableEnded) this.#checkTail(nowMs)
    else if (this.uploadStalledSinceMs !== 0 && nowMs - this.uploadStalledSinceMs > this.limits.uploadIdleMs) {
      this.refuse(refusal('request-timeout', `no byte of the body for ${this.limits.uploadIdleMs} ms`))
    } else if (
      this.#downloadStalledSinceMs !== 0 &&
      nowMs - this.#downloadStalledSinceMs > this.limits.downloadIdleMs
    ) {
      this.#downloadStalledSinceMs = 0
      this.refuse(this.#unread())
    }
  }

  /** Cuts an ended reply whose last bytes the client does not take: no `drain` tells of those. */
  #checkTail(nowMs: number): void {
    const { socket, writableLength } = this.response
    // A reply without a socket waits for its turn behind an earlier one of the same connection.
    if (socket === null || writableLength !== this.#tailBytes || this.#downloadStalledSinceMs === 0) {
      this.#tailBytes = writableLength
      this.#downloadStalledSinceMs = nowMs
    } else if (nowMs - this.#downloadStalledSinceMs > this.limits.downloadIdleMs) {
      this.#refusal ??= this.#unread()
      this.#isCut = true
      this.response.destroy()
    }
  }

  #unread(): Refusal {
    return refusal('request-timeout', `the client left the reply unread for ${this.limits.downloadIdleMs} ms`)
  }

  #sendOwn({ head, body }: Reply): void {
    this.#isOwn = true
    const failed = this.#context.pipeline.onReply(this, head)
    if (failed !== undefined) {
      if (this.#refusal === undefined) {
        this.refuse(failed)
        return
      }
      this.#refusal = failed // the refusal goes out as it is; what failed is what the log must tell
    }
    // A client that still holds back its body must not send it: the next request could not be told from it.
    if (this.expectsContinue) setHeader(head.headers, 'Connection', 'close')
    this.#bodyBytes = this.method === 'HEAD' ? 0 : Buffer.byteLength(body)
    this.#writeHead(head)
    this.response.write(body)
    this.#end()
  }

  #writeHead(head: ReplyHead): void {
    this.#status = head.status
    if (this.#context.isClosing()) setHeader(head.headers, 'Connection', 'close')
    if (fieldValue(head.headers, 'connection') === 'close') this.#context.onLastReply(this.request.socket)
    // Node refuses to announce trailers where it cannot send them, which is behind the last chunk and nowhere else.
    if (!this.#isChunked(head)) removeHeader(head.headers, 'trailer')
    this.response.writeHead(head.status, head.statusText, head.headers)
  }

  #isChunked({ status, headers }: ReplyHead): boolean {
    if (this.method === 'HEAD' || this.request.httpVersionMinor === 0 || status === 204 || status === 304) return false
    return fieldValue(headers, 'content-length') === undefined
  }

  #end(): void {
    if (!this.request.complete) lingerOnClose(this.request, this.limits.unreadBodyBytes)
    this.response.end()
  }

  #finish(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    const isWhole = this.response.writableFinished || this.isUpgraded
    if (!isWhole) this.upstream?.abort('client-abort')
    const outcome: Outcome = {
      kind: this.#kind(isWhole),
      status: this.#status === 0 ? CLIENT_CLOSED_REQUEST : this.#status,
      refusal: this.#refusal,
      durationMs: performance.now() - this.startedAtMs,
      bodyBytes: this.#bodyBytes,
    }
    this.#context.pipeline.onFinish(this, outcome)
    this.#context.onFinish(this)
  }

  #kind(isWhole: boolean): Outcome['kind'] {
    if (this.#isCut) return 'cut'
    if (!isWhole) return 'client-abort'
    if (this.#refusal !== undefined) return 'refused'
    return this.#isOwn ? 'answered' : 'replied'
  }
}

const flushHead = (response: ServerResponse): void => {
  if (!response.destroyed) response.flushHeaders()
}

const pathOf = (target: string): string => {
  const queryStart = target.indexOf('?')
  return queryStart === -1 ? target : target.slice(0, queryStart)
}

/** Of a target that is refused and only logged: `http://user:password@host/`. */
const withoutCredentials = (target: string): string => target.slice(target.lastIndexOf('@') + 1)

/** A request has a body exactly when it says how the body ends (RFC 9112 §6). */
const announcesBody = (request: IncomingMessage): boolean => {
  const { rawHeaders } = request
  const length = fieldValue(rawHeaders, 'content-length')
  if (length !== undefined) return length !== '0'
  return fieldValue(rawHeaders, 'transfer-encoding') !== undefined
}
