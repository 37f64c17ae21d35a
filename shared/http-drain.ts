import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, systemClock } from './clock.ts'

/** Work that a drain waits for. */
export interface InFlight {
  readonly requests: number
  /** WebSockets and other upgraded connections. */
  readonly upgrades: number
  readonly longestMs: number
}

interface Work {
  readonly startedAtMs: number
}

/**
 * How an HTTP server is wound down: `open → closing connections as they fall idle → cut`. It knows what is in flight,
 * so that a drain waits for no less and, at its deadline, can say what it cut.
 */
export class HttpDrain {
  readonly #server: Server
  readonly #clock: Clock
  readonly #requests = new Set<Work>()
  readonly #upgrades = new Map<Duplex, Work>()
  #isClosing = false

  constructor(server: Server, clock: Clock = systemClock) {
    this.#server = server
    this.#clock = clock
  }

  /** Whether replies must say `Connection: close`. */
  get isClosing(): boolean {
    return this.#isClosing
  }

  /** For a server whose requests are not begun and ended by hand: counts each by its events. */
  trackByEvents(): this {
    // Ahead of the server's own listener, which may send the head of its reply at once.
    this.#server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      if (this.#isClosing) response.setHeader('Connection', 'close')
      const work = { startedAtMs: this.#clock.monotonicMs() }
      this.begin(work)
      response.once('close', () => this.end(work))
    })
    return this
  }

  begin(work: Work): void {
    this.#requests.add(work)
  }

  end(work: Work): void {
    this.#requests.delete(work)
  }

  beginUpgrade(socket: Duplex): void {
    this.#upgrades.set(socket, { startedAtMs: this.#clock.monotonicMs() })
    socket.once('close', () => this.#upgrades.delete(socket))
  }

  inFlight(): InFlight {
    let oldestMs = Number.POSITIVE_INFINITY
    for (const work of this.#requests) oldestMs = Math.min(oldestMs, work.startedAtMs)
    for (const work of this.#upgrades.values()) oldestMs = Math.min(oldestMs, work.startedAtMs)
    return {
      requests: this.#requests.size,
      upgrades: this.#upgrades.size,
      longestMs: oldestMs === Number.POSITIVE_INFINITY ? 0 : Math.round(this.#clock.monotonicMs() - oldestMs),
    }
  }

  /** From now on each reply is its connection's last. */
  closeAfterReplies(): void {
    this.#isClosing = true
  }

  /**
   * Stops listening; what is connected stays so. `http.Server#close` would at once destroy idle keep-alive connections,
   * on which a request may be under way: the plain `net.Server#close` leaves them to {@link closeIdle}.
   */
  stopAccepting(): void {
    if (this.#server.listening) NetServer.prototype.close.call(this.#server)
  }

  /** Closes connections with no request on them. */
  closeIdle(): void {
    this.#server.closeIdleConnections()
  }

  /** Destroys whatever is left. */
  cut(): void {
    this.#server.closeAllConnections()
    for (const socket of this.#upgrades.keys()) socket.destroy()
  }
}
