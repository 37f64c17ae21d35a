import { DeadlineWatch } from '../deadline-watch.ts'
import { Roster } from '../roster.ts'
import { CallQueue } from './call-queue.ts'
import { type Call, Connection, type ConnectionOwner } from './connection.ts'
import { UpstreamBusy } from './failure.ts'
import { connectTimeoutMs, type UpstreamLimits } from './limits.ts'
import type { OpenSocket } from './open-socket.ts'

/** A call that has a connection, and goes out on it at the end of this turn of the loop. */
interface Loan {
  readonly call: Call
  readonly connection: Connection
}

/** For whom a connection is being opened: that call's time counts for it, and the call fails where it does not open. */
interface Opening {
  /** Undefined where the call has been given another, or is withdrawn, and each that waits has one of its own. */
  call: Call | undefined
  /** Whether it is for this call alone, which waits in no queue any more. */
  readonly isPromised: boolean
}

/** How a pool is used. */
export interface PoolCounts {
  readonly connections: number
  readonly idle: number
  readonly queued: number
}

/** Connections to the app: kept, and lent to one call at a time. Calls that find none wait in order. */
export class ConnectionPool implements ConnectionOwner {
  readonly #limits: UpstreamLimits
  readonly #open: OpenSocket
  readonly #all = new Roster<Connection>()
  readonly #opening = new Map<Connection, Opening>()
  #openingForAny = 0
  /** Those of them that have a call: they are for the first in line, as many as they are. */
  #openingForOne = 0
  /** Used from the end: those at the beginning rest until they are closed. */
  readonly #free: Connection[] = []
  /** No map, either: see CallQueue. */
  #lending: Loan[] = []
  readonly #waiting = new CallQueue()
  /** Calls for a connection that nobody has used before. */
  readonly #waitingForNew = new CallQueue()
  readonly #watch: DeadlineWatch
  #isClosed = false

  constructor(open: OpenSocket, limits: UpstreamLimits) {
    this.#limits = limits
    this.#open = open
    const { queueTimeoutMs, connectTimeoutMs, headersTimeoutMs, bodyIdleTimeoutMs, keepAliveTimeoutMs } = limits
    this.#watch = new DeadlineWatch(
      [queueTimeoutMs, connectTimeoutMs, headersTimeoutMs, bodyIdleTimeoutMs, keepAliveTimeoutMs],
      (nowMs) => this.#checkDeadlines(nowMs),
    )
  }

  get nowMs(): number {
    return this.#watch.nowMs
  }

  deadlineIn(timeoutMs: number): number {
    return this.#watch.deadlineIn(timeoutMs)
  }

  /** Connections that are open or being opened, those of them that nobody uses, and calls that wait for one. */
  get counts(): PoolCounts {
    return { connections: this.#all.size, idle: this.#free.length, queued: this.queued }
  }

  /** Calls that wait for a connection. */
  get queued(): number {
    return this.#waiting.length + this.#waitingForNew.length + this.#opening.size - this.#openingForAny
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
    const lentAt = this.#lending.findIndex((loan) => loan.call === call)
    if (lentAt !== -1) {
      const [loan] = this.#lending.splice(lentAt, 1)
      if (loan?.connection.isFree) this.onFree(loan.connection)
      return
    }
    if (this.#waiting.remove(call)) {
      this.#handOver(call)
      return
    }
    if (this.#waitingForNew.remove(call)) return
    for (const [connection, opening] of this.#opening) {
      if (opening.call !== call || !opening.isPromised) continue
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
    const opening = this.#opened(connection)
    const openedFor = opening === undefined ? undefined : this.#served(opening)
    if (openedFor !== undefined) {
      connection.assign(openedFor)
      return
    }
    if (this.#waitingForNew.length > 0 && this.#isFull) {
      connection.destroy() // which makes room for the one that is needed
      return
    }
    const call = this.#waiting.takeFirst()
    if (call === undefined) {
      this.#free.push(connection)
      return
    }
    this.#handOver(call)
    if (opening !== undefined) connection.assign(call)
    else this.#lend(connection, call)
  }

  onGone(connection: Connection, error: Error | undefined): void {
    this.#all.delete(connection)
    const freeAt = this.#free.indexOf(connection)
    if (freeAt !== -1) this.#free.splice(freeAt, 1)
    const opening = this.#opened(connection)
    if (opening !== undefined && error !== undefined) this.#served(opening)?.onFailure(error, false)
    this.#openMore()
  }

  /** The call that an opening was for: it waits no more. */
  #served({ call, isPromised }: Opening): Call | undefined {
    if (call !== undefined && !isPromised) this.#waiting.remove(call)
    return call
  }

  /** What is being opened for a call that waits no more is for the first that has none, with that one's time from now on. */
  #handOver(from: Call | undefined): void {
    for (const [connection, opening] of this.#opening) {
      if (opening.call !== from || opening.isPromised) continue
      if (from !== undefined) this.#openingForOne--
      const to = this.#waiting.behind(this.#openingForOne)
      opening.call = to
      if (to === undefined) return
      this.#openingForOne++
      connection.mayTakeToOpen(connectTimeoutMs(to.timeouts, this.#limits))
      to.onOpening()
      return
    }
  }

  /**
   * A connection that has been used is lent at the end of this turn of the loop, when what had come on it has been read:
   * bytes that nobody asked for must not answer the call, nor the call go where the app has hung up already.
   */
  #lend(connection: Connection, call: Call): void {
    if (this.#lending.length === 0) setImmediate(this.#lendAll)
    this.#lending.push({ call, connection })
  }

  readonly #lendAll = (): void => {
    const loans = this.#lending
    this.#lending = []
    for (const { call, connection } of loans) {
      if (connection.isFree) connection.assign(call)
      else this.request(call)
    }
  }

  get #isFull(): boolean {
    return this.#all.size >= this.#limits.connections
  }

  /** Calls for which no connection is being opened. */
  get #unserved(): number {
    return this.#waiting.length + this.#waitingForNew.length - this.#openingForAny
  }

  #wait(call: Call, queue: CallQueue): void {
    if (this.#isClosed || (this.#isFull && this.#unserved >= this.#limits.queueLength)) {
      call.onFailure(new UpstreamBusy(`${this.#unserved} exchanges wait for a connection already`), false)
      return
    }
    queue.add(call, this.nowMs + this.#limits.queueTimeoutMs)
    if (queue === this.#waiting && this.#openingForOne < this.#openingForAny) this.#handOver(undefined)
    if (queue === this.#waitingForNew && this.#isFull) this.#free[0]?.destroy()
    this.#openMore()
  }

  #openMore(): void {
    while (!this.#isClosed && !this.#isFull) {
      const promisedTo = this.#waitingForNew.takeFirst()
      const call = promisedTo ?? this.#waiting.behind(this.#openingForOne)
      if (call === undefined) return
      const timeoutMs = connectTimeoutMs(call.timeouts, this.#limits)
      const connection = new Connection(this, this.#limits, timeoutMs, this.#open, call.wantsSwitch)
      this.#all.add(connection)
      this.#opening.set(connection, { call, isPromised: promisedTo !== undefined })
      if (promisedTo === undefined) {
        this.#openingForAny++
        this.#openingForOne++
      }
      call.onOpening()
    }
  }

  /** @returns for whom a connection that is no longer being opened was; undefined where it was open already */
  #opened(connection: Connection): Opening | undefined {
    const opening = this.#opening.get(connection)
    if (opening === undefined) return undefined
    this.#opening.delete(connection)
    if (!opening.isPromised) this.#openingForAny--
    if (!opening.isPromised && opening.call !== undefined) this.#openingForOne--
    return opening
  }

  #checkDeadlines(nowMs: number): void {
    for (const connection of this.#all) connection.checkDeadline(nowMs)
    const why = `no connection free within ${this.#limits.queueTimeoutMs} ms`
    // The first in line have a connection coming: for them the connection's own deadline counts.
    this.#expire(this.#waiting, nowMs, why, this.#openingForOne)
    this.#expire(this.#waitingForNew, nowMs, why)
  }

  #expire(queue: CallQueue, nowMs: number, why: string, spared = 0): void {
    for (const call of queue.takeOverdue(nowMs, spared)) call.onFailure(new UpstreamBusy(why), false)
  }
}
