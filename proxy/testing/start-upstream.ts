import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createRawServer, type Server as NetServer, type Socket } from 'node:net'

export interface TestUpstream {
  readonly url: string
  readonly port: number
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>
  /** How many connections there have been. */
  readonly connections: () => number
  close(): Promise<void>
}

const serve = async (server: NetServer): Promise<TestUpstream> => {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => socket.destroy()) // proxies and tests cut connections on purpose
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    sockets,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      if (server.listening) await once(server, 'close')
    },
  }
}

/** An app that speaks HTTP; for `prepare` there is the server itself, as for upgrades. */
export const startUpstream = (listener: RequestListener, prepare?: (server: Server) => void): Promise<TestUpstream> => {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener)
  prepare?.(server)
  return serve(server)
}

/** An app that speaks whatever the test wants, byte by byte. */
export const startRawUpstream = (onConnection: (socket: Socket) => void): Promise<TestUpstream> =>
  serve(createRawServer(onConnection))
