import { DeadlineWatch } from '../deadline-watch.ts'
import type { UpstreamAddress } from './address.ts'
import { type Call, Connection, type ConnectionOwner } from './connection.ts'
import { UpstreamBusy } from './failure.ts'
import type { UpstreamLimits } from './limits.ts'
import { type OpenSocket, socketOpener } from './open-socket.ts'

/** Calls in the order in which they came, and until when each waits. */
type Queue = Map<Call, number>

/** Connections to the app: kept, and lent to one call at a time. Calls that find none wait in order. */
export class ConnectionPool implements ConnectionOwner {
  readonly #limits: UpstreamLimits
  readonly #open: OpenSocket
  readonly #all = new Set<Connection>()
  /** Those being opened, with the call that each is promised to; `undefined` for whoever is first. */
  readonly #opening = new Map<Connection, Call | undefined>()
  #openingForAny = 0
  /** Used from the end: those at the beginning rest until they are closed. */
  readonly #free: Connection[] = []
  /** Calls that have a connection, and go out on it at the end of this turn of the loop. */
  readonly #lending = new Map<Call, Connection>()
  readonly #waiting: Queue = new Map()
  /** Calls for a connection that nobody has used before. */
  readonly #waitingForNew: Queue = new Map()
  readonly #watch: DeadlineWatch
  #isClosed = false

  constructor(address: UpstreamAddress, limits: UpstreamLimits) {
    this.#limits = limits
    this.#open = socketOpener(address)
    const { queueTimeoutMs, connectTimeoutMs, headersTimeoutMs, bodyIdleTimeoutMs, keepAliveTimeoutMs } = limits
    this.#watch = new DeadlineWatch(
      [queueTimeoutMs, connectTimeoutMs, headersTimeoutMs, bodyIdleTimeoutMs, keepAliveTimeoutMs],
      (nowMs) => this.#checkDeadlines(nowMs),
    )
  }

  get nowMs(): number {
    return this.#watch.nowMs
  }

  /** Calls that wait for a connection. */
  get queued(): number {
    return this.#waiting.size + this.#waitingForNew.size + this.#opening.size - this.#openingForAny
  }

  /** Gives the call a connection as soon as there is one. */
  request(call: Call): void {
    const connection = this.#free.pop()
    if (connection === undefined) this.#wait(call, this.#waiting)
    else this.#lend(connection, call)
  }

  /** The same, with a connection of its own: for what must not be lost to a race, or will not give it back. */
  requestNew(call: Call): void {
    this.#wait(call, this.#waitingForNew)
  }

  /** Withdraws a call that waits. */
  cancel(call: Call): void {
    const connection = this.#lending.get(call)
    if (connection !== undefined) {
      this.#lending.delete(call)
      if (connection.isFree) this.#free.push(connection)
      return
    }
    if (this.#waiting.delete(call) || this.#waitingForNew.delete(call)) return
    for (const [connection, promisedTo] of this.#opening) {
      if (promisedTo !== call) continue
      this.#opening.delete(connection)
      connection.destroy()
    }
  }

  /** Ends every connection and every call. */
  close(): void {
    this.#isClosed = true
    this.#watch.stop()
    const why = 'the proxy stops'
    for (const connection of this.#all) connection.fail(new UpstreamBusy(why))
    this.#expire(this.#waiting, Number.POSITIVE_INFINITY, why)
    this.#expire(this.#waitingForNew, Number.POSITIVE_INFINITY, why)
  }

  onFree(connection: Connection): void {
    const isNew = this.#opening.has(connection)
    const promisedTo = this.#opened(connection)
    if (promisedTo === undefined && this.#waitingForNew.size > 0 && this.#isFull) {
      connection.destroy() // which makes room for the one that is needed
      return
    }
    const call = promisedTo ?? takeFirst(this.#waiting)
    if (call === undefined) this.#free.push(connection)
    else if (isNew) connection.assign(call)
    else this.#lend(connection, call)
  }

  onGone(connection: Connection, error: Error | undefined): void {
    this.#all.delete(connection)
    const freeAt = this.#free.indexOf(connection)
    if (freeAt !== -1) this.#free.splice(freeAt, 1)
    const wasOpening = this.#opening.has(connection)
    const promisedTo = this.#opened(connection)
    if (wasOpening && error !== undefined) {
      // One for each call was being opened: without this one, the first in line waits for nothing.
      const call = promisedTo ?? (this.#waiting.size > this.#openingForAny ? takeFirst(this.#waiting) : undefined)
      call?.onFailure(error, false)
    }
    this.#openMore()
  }

  /**
   * A connection that has been used is lent at the end of this turn of the loop, when what had come on it has been read:
   * bytes that nobody asked for must not answer the call, nor the call go where the app has hung up already.
   */
  #lend(connection: Connection, call: Call): void {
    if (this.#lending.size === 0) setImmediate(this.#lendAll)
    this.#lending.set(call, connection)
  }

  readonly #lendAll = (): void => {
    const lent = [...this.#lending]
    this.#lending.clear()
    for (const [call, connection] of lent) {
      if (connection.isFree) connection.assign(call)
      else this.request(call)
    }
  }

  get #isFull(): boolean {
    return this.#all.size >= this.#limits.connections
  }

  /** Calls for which no connection is being opened. */
  get #unserved(): number {
    return this.#waiting.size + this.#waitingForNew.size - this.#openingForAny
  }

  #wait(call: Call, queue: Queue): void {
    if (this.#isClosed || (this.#isFull && this.#unserved >= this.#limits.queueLength)) {
      call.onFailure(new UpstreamBusy(`${this.#unserved} exchanges wait for a connection already`), false)
      return
    }
    queue.set(call, this.nowMs + this.#limits.queueTimeoutMs)
    if (queue === this.#waitingForNew && this.#isFull) this.#free[0]?.destroy()
    this.#openMore()
  }

  #openMore(): void {
    while (!this.#isClosed && !this.#isFull) {
      const promisedTo = takeFirst(this.#waitingForNew)
      if (promisedTo === undefined && this.#waiting.size <= this.#openingForAny) return
      const connection = new Connection(this, this.#limits, this.#open, promisedTo?.wantsSwitch === true)
      this.#all.add(connection)
      this.#opening.set(connection, promisedTo)
      if (promisedTo === undefined) this.#openingForAny++
    }
  }

  /** @returns whom a connection that is no longer being opened was promised to */
  #opened(connection: Connection): Call | undefined {
    const promisedTo = this.#opening.get(connection)
    if (this.#opening.delete(connection) && promisedTo === undefined) this.#openingForAny--
    return promisedTo
  }

  #checkDeadlines(nowMs: number): void {
    for (const connection of this.#all) connection.checkDeadline(nowMs)
    const why = `no connection free within ${this.#limits.queueTimeoutMs} ms`
    // The first in line have a connection coming: for them the connection's own deadline counts.
    this.#expire(this.#waiting, nowMs, why, this.#openingForAny)
    this.#expire(this.#waitingForNew, nowMs, why)
  }

  #expire(queue: Queue, nowMs: number, why: string, spared = 0): void {
    let place = 0
    for (const [call, untilMs] of queue) {
      if (untilMs > nowMs) return
      if (place++ < spared) continue
      queue.delete(call)
      call.onFailure(new UpstreamBusy(why), false)
    }
  }
}

const takeFirst = (queue: Queue): Call | undefined => {
  for (const call of queue.keys()) {
    queue.delete(call)
    return call
  }
  return undefined
}
