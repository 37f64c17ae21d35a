import { Readable } from 'node:stream'
import type { Exchange } from './exchange.ts'

/**
 * A request's body on its way up. Not the request itself: an upstream client destroys the stream that it was given
 * when the upstream fails or answers early, and with the request would go the connection that the reply is due on. A
 * client that goes away within its body is the exchange's to notice: it aborts the upstream call, and that this.
 */
export class Upload extends Readable {
  readonly #exchange: Exchange
  #isStarted = false

  constructor(exchange: Exchange) {
    super({ highWaterMark: 64 * 1_024 })
    this.#exchange = exchange
  }

  override _read(): void {
    const { request } = this.#exchange
    if (!this.#isStarted) {
      this.#isStarted = true
      request.on('data', this.#onData)
      request.on('end', this.#onEnd)
      this.#exchange.sendContinue()
    }
    this.#exchange.uploadStalledSinceMs = performance.now()
    request.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { request } = this.#exchange
    this.#exchange.uploadStalledSinceMs = 0
    request.off('data', this.#onData)
    request.off('end', this.#onEnd)
    // Once the reply has ended, what is left of the body is being read and dropped.
    if (!request.complete && !this.#exchange.response.writableEnded) request.pause()
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.push(chunk)) {
      this.#exchange.uploadStalledSinceMs = performance.now()
    } else {
      this.#exchange.uploadStalledSinceMs = 0 // now it is the upstream that does not read
      this.#exchange.request.pause()
    }
  }

  readonly #onEnd = (): void => {
    this.#exchange.uploadStalledSinceMs = 0
    this.push(null)
  }
}
