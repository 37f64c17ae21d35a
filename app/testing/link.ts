import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * For tests: the network between the app and a server.
 *
 * - open:   bytes pass
 * - frozen: connections stand and are accepted, and no byte passes, as with a server that hangs
 * - cut:    connections are reset, and new ones as well
 */
export interface TestLink {
  /** The server's URL by way of this link. */
  readonly url: string
  set(state: 'open' | 'frozen' | 'cut'): void
  close(): Promise<void>
}

export const openTestLink = async (serverUrl: string): Promise<TestLink> => {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let state: 'open' | 'frozen' | 'cut' = 'open'
  const server = createServer((near) => {
    if (state === 'cut') {
      near.resetAndDestroy()
      return
    }
    const far = connect(Number(target.port), target.hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.once('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('error', () => to.destroy())
      from.pipe(to)
      if (state === 'frozen') from.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(serverUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    set: (next) => {
      state = next
      for (const socket of sockets) {
        if (next === 'cut') socket.resetAndDestroy()
        else if (next === 'frozen') socket.pause()
        else socket.resume()
      }
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
