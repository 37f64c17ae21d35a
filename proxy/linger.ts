import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** The longest that we read on after a reply, for the client to notice it. */
const LINGER_MS = 2_000
const POLL_MS = 50

/**
 * Ends a connection whose request body is not wholly read. To close a socket with bytes unread resets it, and the
 * reset can overtake the reply (RFC 9112 §9.6). So what still comes is read and dropped, up to `dropBytes` and two
 * seconds; a body that ends within them leaves the connection fit for the next request, unless the reply said `close`.
 */
export const lingerOnClose = (request: IncomingMessage, dropBytes: number): void => {
  const { socket } = request
  let wantsClose = false
  // Node calls this once the last reply of a connection is flushed; its own would destroy at once.
  socket.destroySoon = () => {
    wantsClose = true
    if (request.complete) socket.destroy()
    else socket.end()
  }
  const expiry = setTimeout(() => socket.destroy(), LINGER_MS)
  // By the socket's count: Node removes a request's `data` listeners when it drops a body that nobody read.
  const startBytes = socket.bytesRead
  const poll = setInterval(() => {
    if (socket.bytesRead - startBytes > dropBytes) socket.destroy()
  }, POLL_MS)
  const stop = () => {
    clearTimeout(expiry)
    clearInterval(poll)
    socket.off('close', stop)
  }
  socket.once('close', stop)
  request.once('end', () => {
    stop()
    if (wantsClose) socket.destroy()
    else Reflect.deleteProperty(socket, 'destroySoon')
  })
  request.resume()
}

/**
 * Ends a connection that is no longer HTTP's, after what has been written on it: what still comes is read and dropped,
 * for two seconds at most, so that no reset overtakes the reply.
 */
export const closeGently = (socket: Duplex): void => {
  const expiry = setTimeout(() => socket.destroy(), LINGER_MS)
  expiry.unref()
  socket.once('close', () => clearTimeout(expiry))
  socket.resume()
  socket.end()
}
