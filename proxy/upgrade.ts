import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ReplyHead, rawHead } from './reply.ts'

/** A connection of which one side has ended may last this much longer. */
const HALF_CLOSED_MS = 10_000

/**
 * Sends the app's 101 to the client, and joins the two connections, until either ends or no byte has passed either way for
 * `idleTimeoutMs`; `early` is what the client has said already.
 */
export const join = (
  client: Socket,
  early: Buffer | undefined,
  head: ReplyHead,
  upstream: Duplex,
  idleTimeoutMs: number,
): void => {
  client.write(rawHead(head), 'latin1')
  if (early !== undefined) upstream.write(early)
  tie(client, upstream)
  tie(upstream, client)
  client.pipe(upstream)
  upstream.pipe(client)
  // What passes either way is read from or written to this one.
  client.setTimeout(idleTimeoutMs, () => {
    const passedBytes = client.bytesRead + client.bytesWritten
    // Timers come before what has been received: a process that was held up hears of that first.
    setImmediate(() => {
      if (client.bytesRead + client.bytesWritten !== passedBytes) return
      client.destroy()
      upstream.destroy()
    })
  })
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
