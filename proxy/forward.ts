import type { Duplex } from 'node:stream'
import type { Exchange } from './exchange.ts'
import { connectionFields, fieldValue, isEventStream, keptTrailers, replyHeaders } from './headers.ts'
import type { ReplyStart } from './http1/reply-reader.ts'
import { requestHead } from './http1/request-head.ts'
import { excuseOf504 } from './lateness.ts'
import { passTurn } from './turns.ts'
import type { UpstreamAddress } from './upstream/address.ts'
import type { Call, Connection } from './upstream/connection.ts'
import { upstreamRefusal } from './upstream/failure.ts'
import type { CallTimeouts, UpstreamLimits } from './upstream/limits.ts'
import { socketOpener } from './upstream/open-socket.ts'
import { ConnectionPool, type PoolCounts } from './upstream/pool.ts'
import { RetryBudget } from './upstream/retry-budget.ts'
import { Upload } from './upstream/upload.ts'

/** Methods that may be sent again when it is unknown whether they arrived (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** The app, as the bottom of the pipeline: one round trip an exchange, streamed both ways with back-pressure. */
export class Upstream {
  readonly #pool: ConnectionPool
  readonly #budget = new RetryBudget()

  constructor(address: UpstreamAddress, limits: UpstreamLimits) {
    this.#pool = new ConnectionPool(socketOpener(address), limits)
  }

  get pool(): PoolCounts {
    return this.#pool.counts
  }

  /** Requests that were sent again, and those that would have been, had the budget allowed it. */
  get retries(): { readonly granted: number; readonly refused: number } {
    return this.#budget.counts
  }

  /** The time, as the watch of the pool's deadlines knows it. */
  get nowMs(): number {
    return this.#pool.nowMs
  }

  readonly forward = (exchange: Exchange): void => {
    const trip = new RoundTrip(exchange, this.#pool, this.#budget)
    exchange.upstream = trip
    this.#budget.deposit()
    trip.start()
  }

  close(): void {
    this.#pool.close()
  }
}

/** One exchange's way to the app and back. */
class RoundTrip implements Call {
  readonly #exchange: Exchange
  readonly #pool: ConnectionPool
  readonly #budget: RetryBudget
  #connection: Connection | undefined
  #upload: Upload | undefined
  #head: ReplyStart | undefined
  #isRetry = false
  #isOver = false

  constructor(exchange: Exchange, pool: ConnectionPool, budget: RetryBudget) {
    this.#exchange = exchange
    this.#pool = pool
    this.#budget = budget
  }

  get method(): string {
    return this.#exchange.method
  }

  get wantsSwitch(): boolean {
    return this.#exchange.isHandshake
  }

  /** As the operation has them; of what it does not set, the environment decides. */
  get timeouts(): CallTimeouts {
    return this.#exchange.operation
  }

  start(): void {
    // A probe lost to a race would say nothing of the app, and sent again it would be two.
    const isProbe = this.#exchange.circuit?.standing.state === 'half-open'
    if (this.wantsSwitch || isProbe) this.#pool.requestNew(this)
    else this.#pool.request(this)
  }

  abort(): void {
    if (this.#isOver) return
    this.#end()
    if (this.#connection === undefined) this.#pool.cancel(this)
    else this.#connection.destroy()
  }

  resume(): void {
    if (!this.#isOver) this.#connection?.resume()
  }

  onOpening(): void {
    const nowMs = performance.now()
    this.#exchange.connectAtMs = nowMs
    passTurn(this.#exchange, 'app', nowMs)
  }

  onConnected(connection: Connection): void {
    this.#connection = connection
    const nowMs = performance.now()
    this.#exchange.connectedAtMs = nowMs
    passTurn(this.#exchange, 'app', nowMs)
    const { method, target, hasBody } = this.#exchange
    const { rawHeaders } = this.#exchange.request
    const headers = this.#exchange.upstreamHeaders(nowMs)
    // By what goes on: `Connection` may have named the length, and then it does not.
    const isChunked = hasBody && fieldValue(headers, 'content-length') === undefined
    headers.push(...connectionFields(rawHeaders, this.wantsSwitch, isChunked))
    const head = requestHead(method, target?.pathAndQuery ?? '/', headers)
    if (!hasBody) {
      connection.write(head)
      connection.endRequest()
      return
    }
    this.#upload = new Upload(this.#exchange, connection, head, isChunked)
    this.#upload.start()
  }

  onDrain(): void {
    this.#upload?.resume()
  }

  onHead(head: ReplyStart): void {
    const { status, statusText, rawHeaders } = head
    const headers = replyHeaders(rawHeaders, status)
    if (status < 200) {
      this.#exchange.sendInformational(status, headers)
      return
    }
    this.#head = head
    const nowMs = performance.now()
    this.#exchange.replyAtMs = nowMs
    if (status === 504) this.#exchange.excuse = excuseOf504(this.#exchange, nowMs)
    this.#exchange.isStream = isEventStream(headers)
    this.#exchange.sendHead({ status, statusText: reasonPhrase(statusText), headers })
  }

  onBody(bytes: Buffer, isStable: boolean): boolean {
    return this.#exchange.sendChunk(bytes, isStable)
  }

  onPause(): boolean {
    return this.#isOver || this.#exchange.flush()
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#isOver) return
    this.#end()
    this.#exchange.end(rawTrailers.length === 0 ? [] : keptTrailers(rawTrailers, this.#head?.rawHeaders ?? []))
  }

  onSwitch({ rawHeaders }: ReplyStart, socket: Duplex): void {
    this.#end()
    this.#exchange.replyAtMs = performance.now()
    this.#exchange.isStream = true
    const headers = replyHeaders(rawHeaders, 101)
    headers.push('Connection', 'Upgrade', 'Upgrade', fieldValue(rawHeaders, 'upgrade') ?? 'websocket')
    this.#exchange.switchProtocols({ status: 101, statusText: 'Switching Protocols', headers }, socket)
  }

  onFailure(error: Error, isReuseRace: boolean): void {
    if (this.#isOver) return
    this.#connection = undefined
    if (isReuseRace && this.#maySendAgain() && this.#budget.withdraw(this.#pool.nowMs)) {
      this.#isRetry = true
      this.#exchange.connectAtMs = 0
      this.#exchange.connectedAtMs = 0
      passTurn(this.#exchange, 'own', performance.now())
      this.#pool.requestNew(this)
      return
    }
    this.#end()
    this.#exchange.refuse(upstreamRefusal(error))
  }

  /** Once: an idempotent request with no body and no byte sent downstream. */
  #maySendAgain(): boolean {
    const { hasBody, isHeadSent, method } = this.#exchange
    return !this.#isRetry && !hasBody && !isHeadSent && IDEMPOTENT.has(method)
  }

  #end(): void {
    this.#isOver = true
    this.#upload?.stop()
  }
}

/** Of no meaning to anyone but readers (RFC 9110 §15.1): one that cannot be sent as it is, is left out. */
const reasonPhrase = (statusText: string): string => (/^[\t -~]*$/.test(statusText) ? statusText : '')
