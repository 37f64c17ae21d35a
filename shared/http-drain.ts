import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer } from 'node:net'
import { type Clock, systemClock } from './clock.ts'
import type { Drain, InFlight } from './drain.ts'

/** The drain of an HTTP server of Node's, which knows by its events what is in flight. */
export class HttpDrain implements Drain {
  readonly #server: Server
  readonly #clock: Clock
  /** When each request began. */
  readonly #requests = new Map<ServerResponse, number>()
  #isClosing = false

  constructor(server: Server, clock: Clock = systemClock) {
    this.#server = server
    this.#clock = clock
    // Ahead of the server's own listener, which may send the head of its reply at once.
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      if (this.#isClosing) response.setHeader('Connection', 'close')
      this.#requests.set(response, clock.monotonicMs())
      response.once('close', () => this.#requests.delete(response))
    })
  }

  inFlight(): InFlight {
    let oldestMs = Number.POSITIVE_INFINITY
    for (const startedAtMs of this.#requests.values()) oldestMs = Math.min(oldestMs, startedAtMs)
    return {
      requests: this.#requests.size,
      upgrades: 0,
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
  }
}
