import type { Duplex } from 'node:stream'
import { type ReplyHead, rawHead } from './reply.ts'

/** What a client may say before the app has agreed to switch protocols; past it, it is not read until then. */
const EARLY_BYTES_LIMIT = 65_536
/** A connection of which one side has ended may last this much longer. */
const HALF_CLOSED_MS = 10_000

/**
 * The client's side of a WebSocket handshake: what it says early is kept for the app, and reading it is how we notice
 * that it has gone. Once the app has agreed, the two connections are joined and are no longer HTTP.
 */
export class Handshake {
  readonly #socket: Duplex
  readonly #early: Buffer[] = []
  readonly #onJoined: () => void
  #earlyBytes = 0

  /** @param head bytes that came behind the request; @param onJoined called as the connections are joined */
  constructor(socket: Duplex, head: Buffer, onJoined: () => void) {
    this.#socket = socket
    this.#onJoined = onJoined
    this.#onData(head)
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
  }

  /** Sends the app's 101 to the client and joins the two connections. */
  join(head: ReplyHead, upstream: Duplex): void {
    const client = this.#socket
    client.off('data', this.#onData)
    client.off('end', this.#onEnd)
    this.#onJoined()
    client.write(rawHead(head), 'latin1')
    for (const chunk of this.#early) upstream.write(chunk)
    tie(client, upstream)
    tie(upstream, client)
    client.pipe(upstream)
    upstream.pipe(client)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (chunk.length === 0) return
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    if (this.#earlyBytes > EARLY_BYTES_LIMIT) this.#socket.pause()
  }

  readonly #onEnd = (): void => {
    this.#socket.destroy()
  }
}

/** What `pipe` leaves undone: a side that is cut takes the other with it, and one that has ended does not wait for ever. */
const tie = (from: Duplex, to: Duplex): void => {
  from.on('error', () => to.destroy())
  from.once('end', () => {
    const expiry = setTimeout(() => {
      from.destroy()
      to.destroy()
    }, HALF_CLOSED_MS)
    expiry.unref()
    to.once('close', () => clearTimeout(expiry))
  })
  from.once('close', () => {
    if (!from.readableEnded) to.destroy()
  })
}
