import type { Socket } from 'node:net'
import type { Drain, InFlight } from '#shared/drain.ts'
import type { Logger } from '#shared/log.ts'
import { ClientConnection, type ConnectionHost, type ConnectionLimits } from './client/connection.ts'
import { TrafficPort } from './client/traffic-port.ts'
import type { Pipeline } from './compose.ts'
import { DeadlineWatch } from './deadline-watch.ts'
import type { Exchange, ExchangeContext, ExchangeLimits, Situation } from './exchange.ts'
import type { TrafficCounts } from './layers/traffic.ts'
import type { Refusal } from './refusal.ts'
import { Roster } from './roster.ts'
import { refuseUnparsed } from './unparsed.ts'

export type ServerLimits = ExchangeLimits & ConnectionLimits

/** The traffic port: connections in, exchanges through the pipeline, and a drain that knows what is in flight. */
export class ProxyServer implements ConnectionHost, Drain {
  readonly port = new TrafficPort()
  readonly limits: ServerLimits
  readonly context: ExchangeContext
  readonly #log: Logger
  readonly #traffic: TrafficCounts
  readonly #connections = new Roster<ClientConnection>()
  readonly #watch: DeadlineWatch
  #requests = 0
  #isClosing = false

  constructor(
    pipeline: Pipeline,
    { policies, emergency }: Situation,
    limits: ServerLimits,
    traffic: TrafficCounts,
    log: Logger,
  ) {
    this.limits = limits
    this.#traffic = traffic
    this.#log = log
    this.context = { pipeline, policies, emergency, limits, isClosing: () => this.#isClosing }
    this.#watch = new DeadlineWatch([limits.headersTimeoutMs, limits.uploadIdleMs, limits.downloadIdleMs], (nowMs) => {
      for (const connection of this.#connections) connection.checkDeadline(nowMs)
    })
    this.port.on('connection', (socket) => this.#accept(socket))
  }

  get nowMs(): number {
    return this.#watch.nowMs
  }

  /** Stops the timer; connections are the drain's to end. */
  close(): void {
    this.#watch.stop()
  }

  onExchange(exchange: Exchange): void {
    this.#requests++
    this.context.pipeline.handle(exchange)
  }

  onExchangeEnd(): void {
    this.#requests--
  }

  onUnparsed(connection: ClientConnection, refused: Refusal): void {
    refuseUnparsed(connection, refused, this.#log, this.#traffic)
  }

  onClosed(connection: ClientConnection): void {
    this.#connections.delete(connection)
  }

  inFlight(): InFlight {
    const nowMs = performance.now()
    let upgrades = 0
    let longestMs = 0
    for (const { exchange, isSwitched } of this.#connections) {
      if (isSwitched) upgrades++
      if (exchange !== undefined) longestMs = Math.max(longestMs, nowMs - exchange.startedAtMs)
    }
    return { requests: this.#requests - upgrades, upgrades, longestMs: Math.round(longestMs) }
  }

  closeAfterReplies(): void {
    this.#isClosing = true
  }

  stopAccepting(): void {
    this.port.close()
  }

  closeIdle(): void {
    for (const connection of this.#connections) if (connection.isIdle) connection.destroy()
  }

  cut(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  #accept(socket: Socket): void {
    this.#connections.add(new ClientConnection(this, socket))
  }
}
