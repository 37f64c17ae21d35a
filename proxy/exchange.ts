import type { Duplex } from 'node:stream'
import { DEADLINE_HEADER } from '#shared/deadline.ts'
import type { ClientConnection } from './client/connection.ts'
import type { Pipeline } from './compose.ts'
import { remainingMs } from './deadline.ts'
import { type ClientFacts, clientOf } from './facts/client-address.ts'
import { type Correlation, correlation } from './facts/correlation.ts'
import type { IpAddress } from './facts/ip-address.ts'
import { expectsContinue, fieldValue, isPersistent, requestHeaders } from './headers.ts'
import { MalformedMessage } from './http1/malformed.ts'
import type { RequestStart } from './http1/request-reader.ts'
import type { ShadowRun } from './layers/shadow-run.ts'
import { CLIENT_CLOSED_REQUEST, type Outcome } from './outcome.ts'
import { isRefusal, type Refusal, refusal } from './refusal.ts'
import { type Reply, type ReplyHead, setHeader } from './reply.ts'
import type { StaleCause } from './stale/served-reply.ts'
import type { StaleUse } from './stale/stale-use.ts'
import type { CircuitBreaker } from './state/circuits/circuit-breaker.ts'
import type { EmergencyReading, EmergencyState } from './state/emergency/emergency-state.ts'
import type { CompiledPolicy, CompiledRoute } from './state/policy/compile.ts'
import type { Operation } from './state/policy/operation.ts'
import { passTurn, type Turn } from './turns.ts'
import { join } from './upgrade.ts'
import { isWebSocketHandshake, requestTarget, type Target } from './well-formed.ts'

/** What one exchange may take. */
export interface ExchangeLimits {
  /** Of the request target, in bytes; more is 414. */
  readonly targetBytes: number
  /** The longest a client may leave us waiting for the next byte of its request body. */
  readonly uploadIdleMs: number
  /** The longest a client may leave the reply unread. */
  readonly downloadIdleMs: number
  /** The longest an upgraded connection may be still, where the operation does not say. */
  readonly upgradeIdleMs: number
}

/** The upstream's side of an exchange, as far as the client's side must know it. */
export interface UpstreamCall {
  /** The client is gone, or has been answered: what is still under way upstream is in vain. */
  abort(): void
  /** The client reads again. */
  resume(): void
}

/** What is in force when a request comes. */
export interface Situation {
  readonly policies: { readonly active: CompiledPolicy }
  readonly emergency: EmergencyReading
}

/** What surrounds an exchange, one object for all. */
export interface ExchangeContext extends Situation {
  readonly pipeline: Pipeline
  readonly limits: ExchangeLimits
  /** Whether replies must end their connection, as the process is draining. */
  readonly isClosing: () => boolean
}

/**
 * One request with its reply. Its facts are computed first and never change; then the reply is sent through it, by
 * whoever makes it. The layers hear of its end exactly once, after the reply's last byte or the abort.
 */
export class Exchange {
  readonly request: RequestStart
  readonly client: ClientConnection
  readonly limits: ExchangeLimits
  /** Since when its head is here, of which `firstByteAtMs` is the beginning. */
  readonly startedAtMs = performance.now()
  readonly firstByteAtMs: number
  readonly method: string
  /** The target without its query, which may hold what must not be logged. */
  readonly path: string
  /** Undefined where the target is none that an origin server answers for. */
  readonly target: Target | undefined
  /** In force when the request came: the exchange keeps it to its end. */
  readonly policy: CompiledPolicy
  /** Undefined where none of the policy matches. */
  readonly route: CompiledRoute | undefined
  /** What of the app's work it is. */
  readonly operation: Operation
  /** How things were when the request came. */
  readonly emergency: EmergencyState
  readonly correlation: Correlation
  /** The other end of the connection. */
  readonly peer: ClientFacts
  /** The client, as far as trusted peers say. */
  readonly from: ClientFacts
  readonly clientAddress: string
  /** The same as a number; undefined for a Unix socket. */
  readonly clientIp: IpAddress | undefined
  readonly hasBody: boolean
  /** Whether the client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean
  /** Whether the client asks for a WebSocket. */
  readonly isHandshake: boolean

  /** How many layers have admitted this exchange. Belongs to the pipeline. */
  depth = 0
  upstream: UpstreamCall | undefined
  /** What a candidate policy makes of it, where there is one. Belongs to the layer `shadow`. */
  shadowRun: ShadowRun | undefined = undefined
  /** `RateLimit` for the reply, where it is to have one. Belongs to the layer of that name. */
  rateLimit: string | undefined = undefined
  /** What is kept of its address, where its route keeps replies. Belongs to the layer `stale-replies`. */
  stale: StaleUse | undefined = undefined
  /** Why an earlier reply takes the place of the app's, where one does. Belongs to the same. */
  staleCause: StaleCause | undefined = undefined
  /** The circuit that let it through, until it knows what has become of it. These three belong to `circuit-breaker`. */
  circuit: CircuitBreaker | undefined = undefined
  circuitTicket = 0
  /** By which the circuit knows the success that it has counted; 0 for none. */
  circuitSuccess = 0
  /** Whose time has passed until when, of {@link Turns}: kept where there is a deadline. */
  turn: Turn = 'own'
  turnSinceMs: number
  clientsMs: number
  ownMs = 0
  /** When it must be over; 0 where it need not. Belongs to the layer `deadline`, as the next two do. */
  deadlineAtMs = 0
  isDeadlineCallers = false
  place = -1
  /** When a connection began to be opened for it, when it had one, and when the reply's head came; 0 before. Belong to the round trip. */
  connectAtMs = 0
  connectedAtMs = 0
  replyAtMs = 0
  /** Whether the app's reply has no end that one could wait for. Belongs to the round trip, as the next does. */
  isStream = false
  /** Who would have been late, where the app's reply is a 504 that is not its own fault. */
  excuse: Refusal | undefined = undefined

  readonly #context: ExchangeContext
  #uploadStalledSinceMs = 0
  #downloadStalledSinceMs = 0
  /** What of an ended reply was left to send when last looked. */
  #tailBytes = 0
  #status = 0
  #bodyBytes = 0
  #refusal: Refusal | undefined
  #isOwn = false
  #isCut = false
  #isUpgraded = false
  #isFinished = false

  /** @param firstByteAtMs 0 where the head came in one piece */
  constructor(context: ExchangeContext, request: RequestStart, client: ClientConnection, firstByteAtMs: number) {
    this.#context = context
    this.limits = context.limits
    this.firstByteAtMs = firstByteAtMs === 0 ? this.startedAtMs : firstByteAtMs
    this.turnSinceMs = this.startedAtMs
    this.clientsMs = this.startedAtMs - this.firstByteAtMs
    this.request = request
    this.client = client
    const { rawHeaders, framing } = request
    this.method = request.method
    this.target = requestTarget(this.method, request.target, fieldValue(rawHeaders, 'host') ?? '')
    this.path = pathOf(this.target?.pathAndQuery ?? withoutCredentials(request.target))
    this.policy = context.policies.active
    this.route = this.policy.routes.find(this.method, this.path)
    this.operation = this.policy.operations.find(this.method, this.route?.policy.operation)
    this.emergency = context.emergency.state
    this.correlation = correlation(rawHeaders)
    this.peer = client.peer
    this.from = this.policy.trust === undefined ? client.peer : clientOf(client.peer, rawHeaders, this.policy.trust)
    this.clientAddress = this.from.address
    this.clientIp = this.from.ip
    this.hasBody = !(framing instanceof MalformedMessage) && (framing.isChunked || (framing.length ?? 0) > 0)
    this.expectsContinue = this.hasBody && expectsContinue(request)
    this.isHandshake = isWebSocketHandshake(request)
  }

  /** Whether a byte of the reply has gone out, so that it cannot be another one any more. */
  get isHeadSent(): boolean {
    return this.client.writer.hasLeft
  }

  /** Whether the reply is none that the app has just sent. */
  get isOwn(): boolean {
    return this.#isOwn
  }

  /** Whether nothing more can be said: all has been, or a refusal has taken its place. */
  get isAnswered(): boolean {
    return this.#isFinished || this.#refusal !== undefined || this.client.writer.isEnded
  }

  /** Since when the client owes us the next byte of its body; 0 when it does not. */
  get uploadStalledSinceMs(): number {
    return this.#uploadStalledSinceMs
  }

  /** @param isOwed whether the client owes us the next byte of its body from now on; called by the body's reader */
  noteUpload(isOwed: boolean): void {
    const nowMs = isOwed || this.deadlineAtMs !== 0 ? performance.now() : 0
    this.#uploadStalledSinceMs = isOwed ? nowMs : 0
    this.#noteTurn(nowMs)
  }

  /** The header section towards the app, as it goes out now. */
  upstreamHeaders(nowMs: number): string[] {
    const { requestId, trace } = this.correlation
    const headers = requestHeaders(this.request.rawHeaders, {
      host: this.target?.host ?? '',
      forwardedFor: this.from.forwardedFor,
      scheme: this.from.scheme,
      requestId,
      traceparent: trace.traceparent,
      keepsTraceState: trace.continued,
    })
    if (this.deadlineAtMs !== 0) headers.push(DEADLINE_HEADER, String(remainingMs(this.deadlineAtMs, nowMs)))
    return headers
  }

  /** A `1xx` of the app. `100` is ours to send, and HTTP/1.0 knows none. */
  sendInformational(status: number, headers: string[]): void {
    if (this.client.writer.hasHead || status === 100 || this.request.httpVersionMinor === 0) return
    this.client.writer.informational(status, headers)
  }

  /** Asks the client for the body that it holds back. */
  sendContinue(): void {
    if (this.expectsContinue && !this.client.writer.hasHead) this.client.writer.informational(100, [])
  }

  /** Sends the head of the app's reply, after the layers have seen it. */
  sendHead(head: ReplyHead): void {
    if (this.isAnswered) return
    const failed = this.#context.pipeline.onReply(this, head)
    if (failed === undefined) this.#writeHead(head)
    else this.refuse(failed)
  }

  /**
   * @param isStable whether the bytes stay as they are until `resume` of the upstream call; else they do for this call
   * @returns false when the client reads slower than the app sends; `resume` follows.
   */
  sendChunk(bytes: Buffer, isStable: boolean): boolean {
    if (this.isAnswered) return true
    this.#bodyBytes += bytes.length
    this.stale?.capture?.add(bytes)
    return this.#keepsUp(this.client.writer.body(bytes, isStable))
  }

  /** What has been sent so far goes out: nothing more is here at the moment. @returns as `sendChunk` does */
  flush(): boolean {
    return this.isAnswered || this.#keepsUp(this.client.writer.flush())
  }

  /** Ends the app's reply. */
  end(trailers: readonly string[]): void {
    if (this.isAnswered) return
    this.#downloadStalledSinceMs = 0
    if (this.deadlineAtMs !== 0) passTurn(this, 'client', performance.now())
    this.client.writer.end(trailers)
  }

  /** The app has agreed to switch protocols: joins the client's connection to its own. */
  switchProtocols(head: ReplyHead, upstream: Duplex): void {
    this.#isUpgraded = true
    this.upstream = undefined
    this.#status = head.status
    this.#refusal = this.#context.pipeline.onReply(this, head)
    const { socket, early } = this.client.handOver()
    join(socket, early, head, upstream, this.operation.idleTimeoutMs ?? this.limits.upgradeIdleMs)
  }

  /** Answers with what a layer decided. */
  answer(answer: Refusal | Reply): void {
    if (isRefusal(answer)) this.refuse(answer)
    else this.#sendOwn(answer)
  }

  /** Answers with the reply that the layers make of a refusal, or cuts the reply that has begun. */
  refuse(refused: Refusal): void {
    if (this.isAnswered) return
    this.#refusal = refused
    this.upstream?.abort()
    if (this.isHeadSent) {
      // The status has gone out: only a broken connection can tell the client that the reply is not whole.
      this.#isCut = true
      this.client.cut()
      return
    }
    this.client.writer.takeBack()
    this.#bodyBytes = 0
    this.#sendOwn(this.#context.pipeline.recover(this, refused))
  }

  /** It must be over: what is not answered is refused, and what is not sent is cut. */
  expire(refused: Refusal): void {
    if (!this.client.writer.isEnded) this.refuse(refused)
    else if (this.#refusal === undefined) this.#cutTail(refused)
  }

  /** The client reads again. */
  onDrain(): void {
    if (this.#downloadStalledSinceMs === 0) return
    this.#downloadStalledSinceMs = 0
    if (this.deadlineAtMs !== 0) this.#noteTurn(performance.now())
    this.upstream?.resume()
  }

  /** The reply's last byte has gone out. */
  onSent(): void {
    this.#finish(true)
  }

  /** The connection is gone. */
  onGone(): void {
    this.upstream?.abort()
    this.#finish(this.#isUpgraded)
  }

  /**
   * Refuses or cuts what the client has stalled for too long; called every so often, with the monotonic time.
   */
  checkStalls(nowMs: number): void {
    if (this.client.writer.isEnded) this.#checkTail(nowMs)
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
    const { pendingBytes } = this.client.writer
    if (pendingBytes !== this.#tailBytes || this.#downloadStalledSinceMs === 0) {
      this.#tailBytes = pendingBytes
      this.#downloadStalledSinceMs = nowMs
    } else if (nowMs - this.#downloadStalledSinceMs > this.limits.downloadIdleMs) {
      this.#cutTail(this.#unread())
    }
  }

  #cutTail(why: Refusal): void {
    this.#refusal ??= why
    this.#isCut = true
    this.client.cut()
  }

  #unread(): Refusal {
    return refusal('request-timeout', `the client left the reply unread for ${this.limits.downloadIdleMs} ms`)
  }

  #keepsUp(isTaken: boolean): boolean {
    if (isTaken) return true
    this.#downloadStalledSinceMs = performance.now()
    this.#noteTurn(this.#downloadStalledSinceMs)
    return false
  }

  /** While a request is with the app, it is the client's turn as long as it owes us of its body or leaves the reply unread. */
  #noteTurn(nowMs: number): void {
    if (this.deadlineAtMs === 0) return
    passTurn(this, this.#uploadStalledSinceMs === 0 && this.#downloadStalledSinceMs === 0 ? 'app' : 'client', nowMs)
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
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    this.#bodyBytes = this.method === 'HEAD' ? 0 : bytes.length
    this.#writeHead(head)
    this.client.writer.body(bytes, true)
    this.client.writer.end()
  }

  #writeHead(head: ReplyHead): void {
    this.#status = head.status
    const mustClose = this.isHandshake || this.#context.isClosing() || !isPersistent(this.request)
    this.client.writer.head(head, this.request, mustClose)
  }

  #finish(isWhole: boolean): void {
    if (this.#isFinished) return
    this.#isFinished = true
    const kind = this.#kind(isWhole)
    // What we had to say ourselves to a client that had left was said to nobody.
    const isUnheard = this.#status === 0 || (kind === 'client-abort' && this.#isOwn)
    const outcome: Outcome = {
      kind,
      status: isUnheard ? CLIENT_CLOSED_REQUEST : this.#status,
      refusal: isUnheard ? undefined : this.#refusal,
      durationMs: performance.now() - this.startedAtMs,
      bodyBytes: this.#bodyBytes,
    }
    this.#context.pipeline.onFinish(this, outcome)
  }

  #kind(isWhole: boolean): Outcome['kind'] {
    if (this.#isCut) return 'cut'
    if (!isWhole) return 'client-abort'
    if (this.staleCause !== undefined) return 'stale'
    if (this.#refusal !== undefined) return 'refused'
    return this.#isOwn ? 'answered' : 'replied'
  }
}

const pathOf = (target: string): string => {
  const queryStart = target.indexOf('?')
  return queryStart === -1 ? target : target.slice(0, queryStart)
}

/** Of a target that is refused and only logged: `http://user:password@host/`. */
const withoutCredentials = (target: string): string => target.slice(target.lastIndexOf('@') + 1)
