import type { Duplex } from 'node:stream'
import type { ReplyStart } from '../http1/reply-reader.ts'
import type { Call, Connection } from '../upstream/connection.ts'
import type { CallTimeouts } from '../upstream/limits.ts'

/** A GET of `/name` that remembers what becomes of it. */
export class TestCall implements Call {
  readonly method = 'GET'
  readonly wantsSwitch = false
  readonly timeouts: CallTimeouts
  readonly name: string
  /** In the order in which they happened. */
  readonly events: string[] = []
  error: Error | undefined
  isReuseRace = false
  /** Resolves, with `events`, once the call has ended or failed. */
  readonly over: Promise<readonly string[]>
  readonly #resolve: (events: readonly string[]) => void
  readonly #onConnected: (call: TestCall) => void

  constructor(name: string, onConnected: (call: TestCall) => void = () => undefined, timeouts: CallTimeouts = {}) {
    this.timeouts = timeouts
    this.name = name
    this.#onConnected = onConnected
    const { promise, resolve } = Promise.withResolvers<readonly string[]>()
    this.over = promise
    this.#resolve = resolve
  }

  onOpening(): void {
    // Told in no test by its order: it depends on when the connection is there.
  }

  onConnected(connection: Connection): void {
    this.events.push('connected')
    this.#onConnected(this)
    connection.write(`GET /${this.name} HTTP/1.1\r\nHost: a.example\r\n\r\n`)
    connection.endRequest()
  }

  onDrain(): void {
    this.events.push('drain')
  }

  onHead({ status }: ReplyStart): void {
    this.events.push(String(status))
  }

  onBody(bytes: Buffer): boolean {
    this.events.push(bytes.toString())
    return true
  }

  onPause(): boolean {
    return true
  }

  onEnd(): void {
    this.events.push('end')
    this.#resolve(this.events)
  }

  onSwitch(_head: ReplyStart, socket: Duplex): void {
    socket.destroy()
    this.onFailure(new Error('switched'), false)
  }

  onFailure(error: Error, isReuseRace: boolean): void {
    this.error = error
    this.isReuseRace = isReuseRace
    this.events.push(error.name)
    this.#resolve(this.events)
  }
}
