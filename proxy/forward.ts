import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import type { Exchange } from './exchange.ts'
import { fieldValue, hasForeignCoding, replyHeaders, replyTrailers } from './headers.ts'
import { refusal } from './refusal.ts'
import { Upload } from './upload.ts'
import { isReuseRace, noteBytesRead, upstreamRefusal } from './upstream-error.ts'
import type { UpstreamAddress } from './upstream-url.ts'

export interface UpstreamLimits {
  /** Connections to the app at once. */
  readonly connections: number
  /** Exchanges that may wait for a connection; more are refused with 503. */
  readonly queueLength: number
  /** The longest that one may wait for a connection. */
  readonly queueTimeoutMs: number
  readonly connectTimeoutMs: number
  /** From the last byte of the request to the head of the reply. */
  readonly headersTimeoutMs: number
  /** Of a reply's header section. */
  readonly headerBytes: number
  /** Between two pieces of the reply's body, while the client reads. */
  readonly bodyIdleTimeoutMs: number
  /** Idle connections are closed after this: below the app's own keep-alive, or it closes first and races us. */
  readonly keepAliveTimeoutMs: number
}

/** Methods that may be sent again when it is unknown whether they arrived (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** The app, as the bottom of the pipeline: one round trip an exchange, streamed both ways with back-pressure. */
export class Upstream {
  readonly #limits: UpstreamLimits
  readonly #kept: Pool
  /** Connections for one request each: what is sent again after a reuse race must not run into the next. */
  readonly #fresh: Pool
  #queued = 0

  constructor(address: UpstreamAddress, limits: UpstreamLimits) {
    this.#limits = limits
    const { hostname } = new URL(address.origin)
    const servername = isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : ''
    const connect = buildConnector({
      timeout: limits.connectTimeoutMs,
      allowH2: false,
      ...(address.socketPath !== undefined && { socketPath: address.socketPath }),
    })
    const options: Pool.Options = {
      connections: limits.connections,
      headersTimeout: limits.headersTimeoutMs,
      bodyTimeout: limits.bodyIdleTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      keepAliveMaxTimeout: limits.keepAliveTimeoutMs, // or the app's own hint would stretch it
      maxHeaderSize: limits.headerBytes,
      allowH2: false,
      connect: (to, callback) =>
        // undici would verify an https app by the Host that the client sent.
        connect({ ...to, servername }, (...[error, socket]) => {
          if (error !== null) {
            callback(error, null)
            return
          }
          socket.on('error', (lost) => noteBytesRead(lost, socket.bytesRead))
          callback(null, socket)
        }),
    }
    this.#kept = new Pool(address.origin, { ...options, pipelining: 1 })
    this.#fresh = new Pool(address.origin, { ...options, pipelining: 0 })
  }

  /** Exchanges that wait for a connection. */
  get queued(): number {
    return this.#queued
  }

  readonly forward = (exchange: Exchange): void => {
    if (this.#queued >= this.#limits.queueLength) {
      exchange.refuse(refusal('upstream-busy', `${this.#queued} exchanges wait for a connection already`))
      return
    }
    const call = new RoundTrip(exchange, this.#dispatch)
    exchange.upstream = call
    call.start()
  }

  async close(): Promise<void> {
    await Promise.all([this.#kept.destroy(), this.#fresh.destroy()])
  }

  readonly #dispatch = (options: Dispatcher.DispatchOptions, call: RoundTrip, isRetry: boolean): void => {
    this.#queued++
    call.queue(() => this.#queued--, this.#limits.queueTimeoutMs)
    const pool = isRetry ? this.#fresh : this.#kept
    pool.dispatch(options, call)
  }
}

type Dispatch = (options: Dispatcher.DispatchOptions, call: RoundTrip, isRetry: boolean) => void

/** One exchange's way to the app and back: the handler that undici drives. */
class RoundTrip implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange
  readonly #dispatch: Dispatch
  readonly #upload: Upload | null
  readonly #headers: string[]
  #controller: Dispatcher.DispatchController | undefined
  #leaveQueue: (() => void) | undefined
  #queueTimer: NodeJS.Timeout | undefined
  #isRetry = false
  #isOver = false

  constructor(exchange: Exchange, dispatch: Dispatch) {
    this.#exchange = exchange
    this.#dispatch = dispatch
    this.#upload = exchange.hasBody ? new Upload(exchange) : null
    this.#headers = exchange.upstreamHeaders()
  }

  start(): void {
    const { method, target, handshake } = this.#exchange
    this.#dispatch(
      {
        method: method as Dispatcher.HttpMethod,
        path: target?.pathAndQuery ?? '/',
        headers: this.#headers,
        body: this.#upload,
        reset: false, // or undici closes the connection after each HEAD
        upgrade: handshake === undefined ? null : 'websocket',
      },
      this,
      this.#isRetry,
    )
  }

  /** @param leave called once, when this call waits for a connection no longer */
  queue(leave: () => void, timeoutMs: number): void {
    this.#leaveQueue = leave
    // Mostly a connection is free and the call starts within `dispatch`; only one that does wait costs a timer.
    queueMicrotask(() => {
      if (this.#leaveQueue === undefined) return
      this.#queueTimer = setTimeout(() => {
        this.#fail(refusal('upstream-busy', `no connection free within ${timeoutMs} ms`))
      }, timeoutMs)
    })
  }

  abort(reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#unqueue()
    // Not started yet: undici holds the call in its queue and lets it go in onRequestStart.
    this.#controller?.abort(new Error(reason))
    this.#upload?.destroy()
  }

  resume(): void {
    this.#controller?.resume()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#unqueue()
    if (this.#isOver) controller.abort(new Error('nobody waits for this reply any more'))
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _status: number,
    _headers: unknown,
    upstream: Duplex,
  ): void {
    if (this.#isOver) {
      upstream.destroy()
      return
    }
    this.#isOver = true
    const raw = latin1(controller.rawHeaders)
    const headers = replyHeaders(raw, 101)
    headers.push('Connection', 'Upgrade', 'Upgrade', fieldValue(raw, 'upgrade') ?? 'websocket')
    this.#exchange.switchProtocols({ status: 101, statusText: 'Switching Protocols', headers }, upstream)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText: string | undefined,
  ): void {
    if (this.#isOver) return
    const rawHeaders = latin1(controller.rawHeaders)
    if (hasForeignCoding(rawHeaders)) {
      this.#fail(refusal('upstream-failed', 'a transfer coding that was not asked for'))
      return
    }
    const headers = replyHeaders(rawHeaders, status)
    if (status < 200) this.#exchange.sendInformational(status, headers)
    else this.#exchange.sendHead({ status, statusText: reasonPhrase(statusText), headers })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isOver && !this.#exchange.sendChunk(chunk)) controller.pause()
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) return
    this.#isOver = true
    const trailers = latin1(controller.rawTrailers)
    this.#exchange.end(trailers.length === 0 ? [] : replyTrailers(trailers, latin1(controller.rawHeaders)))
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#unqueue()
    if (this.#isOver) return
    if (this.#maySendAgain(error)) {
      this.#isRetry = true
      this.#controller = undefined
      this.start()
      return
    }
    this.#fail(upstreamRefusal(error))
  }

  /** Once, and only what a reuse race took: an idempotent request with no body and no byte sent downstream. */
  #maySendAgain(error: Error): boolean {
    return (
      !this.#isRetry &&
      this.#upload === null &&
      !this.#exchange.isHeadSent &&
      IDEMPOTENT.has(this.#exchange.method) &&
      isReuseRace(error)
    )
  }

  #fail(failure: ReturnType<typeof refusal>): void {
    this.abort(failure.kind)
    this.#exchange.refuse(failure)
  }

  #unqueue(): void {
    this.#leaveQueue?.()
    this.#leaveQueue = undefined
    clearTimeout(this.#queueTimer)
  }
}

/** Of no meaning to anyone but readers (RFC 9110 §15.1): one that cannot be sent as it is, is left out. */
const reasonPhrase = (statusText: string | undefined): string =>
  statusText !== undefined && /^[\t -~]*$/.test(statusText) ? statusText : ''

/** undici gives raw header bytes; HTTP's own character set is the one that neither loses nor changes any. */
const latin1 = (raw: Dispatcher.DispatchController['rawHeaders']): string[] =>
  Array.isArray(raw) ? raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1'))) : []
