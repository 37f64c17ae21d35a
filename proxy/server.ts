import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { HttpDrain } from '#shared/http-drain.ts'
import type { Logger } from '#shared/log.ts'
import type { Pipeline } from './compose.ts'
import { Exchange, type ExchangeContext, type ExchangeLimits } from './exchange.ts'
import { hasToken } from './headers.ts'
import type { TrafficCounts } from './layers/traffic.ts'
import { closeGently } from './linger.ts'
import { type ParserError, parserRefusal, refuseUnparsed } from './unparsed.ts'
import type { Upgrades } from './upgrade.ts'

export interface ServerLimits extends ExchangeLimits {
  /** Of request line and header section together; more is 431. */
  readonly headerBytes: number
  /** From the connection, or the end of the last reply, to the end of a request's header section. */
  readonly headersTimeoutMs: number
  /** Above the CDN's own keep-alive, so that it is never we who close a connection that it is about to use. */
  readonly keepAliveTimeoutMs: number
}

/** How often stalled exchanges are looked for: one timer for all, none for each. */
const STALL_CHECK_MS = 250

/** The traffic port: sockets in, replies out. */
export class ProxyServer {
  readonly http: Server
  readonly drain: HttpDrain
  readonly #log: Logger
  readonly #traffic: TrafficCounts
  readonly #pipeline: Pipeline
  readonly #upgrades: Upgrades
  readonly #context: ExchangeContext
  readonly #active = new Set<Exchange>()
  /** Connections whose parser has failed: it reports again for each packet that follows. */
  readonly #broken = new WeakSet<Duplex>()
  /** Connections that end with a reply already decided on: what still comes on them is no request to anyone. */
  readonly #ending = new WeakSet<Duplex>()
  readonly #stallCheck: NodeJS.Timeout

  constructor(pipeline: Pipeline, upgrades: Upgrades, limits: ServerLimits, traffic: TrafficCounts, log: Logger) {
    this.#pipeline = pipeline
    this.#upgrades = upgrades
    this.#traffic = traffic
    this.#log = log
    this.http = createServer({
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: 0, // a body may take as long as it keeps coming: Exchange#checkStalls
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.headersTimeoutMs / 4)),
      requireHostHeader: false, // the layers refuse it, with a correlation ID
      noDelay: true,
      shouldUpgradeCallback: isWebSocketHandshake,
    })
    this.http.maxHeadersCount = 0 // bounded by their bytes; a count would drop the last ones in silence
    this.drain = new HttpDrain(this.http)
    this.#context = {
      pipeline,
      limits,
      isClosing: () => this.drain.isClosing,
      onLastReply: (connection) => this.#ending.add(connection),
      onFinish: (exchange) => {
        this.#active.delete(exchange)
        this.drain.end(exchange)
      },
    }
    this.http.on('request', (request, response) => this.#handle(request, response, false))
    this.http.on('checkContinue', (request, response) => this.#handle(request, response, true))
    // Any other expectation: a layer refuses it.
    this.http.on('checkExpectation', (request, response) => this.#handle(request, response, false))
    this.http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    // CONNECT: a layer refuses it.
    this.http.on('connect', (request, socket: Duplex) => {
      if (!this.#isEnding(socket)) this.#pipeline.handle(this.#beginDetached(request, socket))
    })
    this.http.on('clientError', (error: ParserError, socket) => this.#onClientError(error, socket))
    this.#stallCheck = setInterval(() => {
      const nowMs = performance.now()
      for (const exchange of this.#active) exchange.checkStalls(nowMs)
    }, STALL_CHECK_MS)
    this.#stallCheck.unref()
  }

  close(): void {
    clearInterval(this.#stallCheck)
  }

  #begin(exchange: Exchange): Exchange {
    this.#active.add(exchange)
    this.drain.begin(exchange)
    return exchange
  }

  /** Node reads on in what it has, past a request that is refused: bytes behind it may have been smuggled in. */
  #isEnding(socket: Duplex): boolean {
    return this.#ending.has(socket) || !socket.writable
  }

  #handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    if (this.#isEnding(request.socket)) {
      request.resume()
      return
    }
    this.#pipeline.handle(this.#begin(new Exchange(this.#context, request, response, expectsContinue)))
  }

  /** Begins an exchange on a connection that Node has let go of; a reply through it is the connection's last. */
  #beginDetached(request: IncomingMessage, socket: Duplex): Exchange {
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket)
    socket.on('error', (error) => this.#log.debug({ err: error }, 'detached connection lost'))
    response.once('finish', () => closeGently(socket))
    return this.#begin(new Exchange(this.#context, request, response))
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isEnding(socket)) return
    const exchange = this.#beginDetached(request, socket)
    const answer = this.#pipeline.admit(exchange)
    if (answer === undefined) this.#upgrades.handle(exchange, socket, head, this.drain)
    else exchange.answer(answer)
  }

  #onClientError(error: ParserError, socket: Duplex): void {
    if (this.#broken.has(socket)) return
    this.#broken.add(socket)
    // Gone, by reset or by an end within its request: there is nobody to refuse.
    if (error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE' || !socket.writable) {
      socket.destroy()
      return
    }
    const refused = parserRefusal(error)
    const exchange = this.#latestExchangeOn(socket)
    if (exchange === undefined) {
      refuseUnparsed(socket, refused, this.#log, this.#traffic)
    } else if (exchange.request.complete) {
      // It is a pipelined successor that is broken: this reply is still due before the refusal, and may be the last.
      exchange.response.once('finish', () => {
        if (socket.writable) refuseUnparsed(socket, refused, this.#log, this.#traffic)
      })
    } else {
      exchange.refuse(refused)
    }
  }

  /** The exchange begun last on a connection. A search: only a client that breaks the protocol pays for it. */
  #latestExchangeOn(socket: Duplex): Exchange | undefined {
    let latest: Exchange | undefined
    for (const exchange of this.#active) if (exchange.request.socket === socket) latest = exchange
    return latest
  }
}

/** Any other `Upgrade` is an offer that a server may pass over (RFC 9110 §7.8): the request is answered as it is. */
const isWebSocketHandshake = (request: IncomingMessage): boolean =>
  request.method === 'GET' &&
  request.headers.upgrade?.toLowerCase() === 'websocket' &&
  hasToken(request.headers.connection ?? '', 'upgrade')
