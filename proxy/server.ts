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
import type { Refusal } from './refusal.ts'
import { type ParserError, parserRefusal, refuseUnparsed } from './unparsed.ts'
import { Handshake } from './upgrade.ts'

export interface ServerLimits extends ExchangeLimits {
  /** Of request line and header section together; more is 431. */
  readonly headerBytes: number
  /** From the connection, or the end of the last reply, to the end of a request's header section. */
  readonly headersTimeoutMs: number
  /** Above the CDN's own keep-alive, so that it is never we who close a connection that it is about to use. */
  readonly keepAliveTimeoutMs: number
}

/** A request that was pipelined behind another. */
interface Waiting {
  /** Whether its body has come to its end. */
  isWhole(): boolean
  /** Begins its exchange, now that it is its turn. */
  start: () => void
  /** The same, for one that has turned out broken while it waited. */
  refuse(refused: Refusal): void
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
  readonly #context: ExchangeContext
  readonly #active = new Set<Exchange>()
  /** Connections whose parser has failed: it reports again for each packet that follows. */
  readonly #broken = new WeakSet<Duplex>()
  /** Connections that end with a reply already decided on: what still comes on them is no request to anyone. */
  readonly #ending = new WeakSet<Duplex>()
  /**
   * What waits on each connection that has an exchange under way. One at a time, as their replies must go out: a client
   * that pipelines has no more of the app than any other, and is not read while its requests wait.
   */
  readonly #inTurn = new WeakMap<Duplex, Waiting[]>()
  readonly #stallCheck: NodeJS.Timeout

  constructor(pipeline: Pipeline, limits: ServerLimits, traffic: TrafficCounts, log: Logger) {
    this.#pipeline = pipeline
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
        this.#nextInTurn(exchange.request.socket)
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
    const { socket } = request
    const begin = () => this.#begin(new Exchange(this.#context, request, response, expectsContinue))
    const waiting = this.#inTurn.get(socket)
    if (waiting === undefined) {
      this.#inTurn.set(socket, [])
      this.#pipeline.handle(begin())
    } else {
      waiting.push({
        isWhole: () => request.complete,
        start: () => this.#pipeline.handle(begin()),
        refuse: (refused) => {
          const exchange = begin()
          exchange.broken = refused
          this.#pipeline.handle(exchange)
        },
      })
      this.#holdWhileSomeWait(socket)
    }
  }

  /** Takes up the next request that was pipelined on a connection, and reads on once none waits. */
  #nextInTurn(socket: Socket): void {
    const waiting = this.#inTurn.get(socket)
    const next = waiting?.shift()
    if (next === undefined) this.#inTurn.delete(socket)
    if (waiting === undefined || socket.destroyed) return
    if (waiting.length === 0) socket.resume()
    else this.#holdWhileSomeWait(socket)
    if (next !== undefined && !this.#isEnding(socket)) next.start()
  }

  /** Stops reading a connection. A tick later: Node's parser resumes it at the end of each request that it has read. */
  #holdWhileSomeWait(socket: Socket): void {
    process.nextTick(() => {
      const waiting = this.#inTurn.get(socket)
      if (waiting !== undefined && waiting.length > 0) socket.pause()
    })
  }

  /** Begins an exchange on a connection that Node has let go of; a reply through it is the connection's last. */
  #beginDetached(request: IncomingMessage, socket: Duplex): Exchange {
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket)
    socket.on('error', (error) => this.#log.debug({ err: error }, 'detached connection lost'))
    response.once('finish', () => closeGently(socket))
    socket.on('drain', () => response.emit('drain')) // which Node no longer passes on
    return this.#begin(new Exchange(this.#context, request, response))
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isEnding(socket)) return
    const exchange = this.#beginDetached(request, socket)
    exchange.handshake = new Handshake(socket, head, () => {
      this.drain.end(exchange)
      this.drain.beginUpgrade(socket)
    })
    this.#pipeline.handle(exchange)
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
    const refuseHere = () => refuseUnparsed(socket, refused, this.#log, this.#traffic)
    const waiting = this.#inTurn.get(socket)
    const last = waiting?.at(-1)
    if (waiting !== undefined && last !== undefined) {
      // What came before the broken bytes is answered first, in order: they are of the last to wait, or behind it.
      if (last.isWhole()) waiting.push({ isWhole: () => false, start: refuseHere, refuse: refuseHere })
      else last.start = () => last.refuse(refused)
      return
    }
    const exchange = this.#exchangeOn(socket)
    if (exchange === undefined) refuseHere()
    else if (exchange.request.complete) {
      exchange.response.once('finish', () => {
        if (socket.writable) refuseHere()
      })
    } else exchange.refuse(refused)
  }

  /** The exchange under way on a connection. A search: only a client that breaks the protocol pays for it. */
  #exchangeOn(socket: Duplex): Exchange | undefined {
    for (const exchange of this.#active) if (exchange.request.socket === socket) return exchange
    return undefined
  }
}

/** Any other `Upgrade` is an offer that a server may pass over (RFC 9110 §7.8): the request is answered as it is. */
const isWebSocketHandshake = (request: IncomingMessage): boolean =>
  request.method === 'GET' &&
  request.headers.upgrade?.toLowerCase() === 'websocket' &&
  hasToken(request.headers.connection ?? '', 'upgrade')
