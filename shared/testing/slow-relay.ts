import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface SlowRelay {
  readonly port: number
  /** By how much what passes is delayed, each way; 0 for not at all. */
  delayMs: number
  close(): void
}

/** A way to a server that can be made slow. */
export const startSlowRelay = async (to: number): Promise<SlowRelay> => {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => from.destroy())
      from.on('close', () => {
        sockets.delete(from)
        into.destroy()
      })
      from.on('data', (bytes) => {
        setTimeout(() => into.write(bytes), relay.delayMs)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const relay: SlowRelay = {
    port: (server.address() as AddressInfo).port,
    delayMs: 0,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  return relay
}
