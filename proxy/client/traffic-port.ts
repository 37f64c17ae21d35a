import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { listen } from '#shared/listen.ts'
import { SMALL_BYTES } from './reply-writer.ts'

const VARIABLES = { host: 'HOST', port: 'PORT' } as const

/**
 * Sockets that listen on the port together. Node accepts one connection of each a turn of its loop (libuv/libuv#3696),
 * and a turn takes 10 to 20 ms where a thousand connections are busy: with one socket, the last of them would be let in
 * after seconds (docs/decisions/0008-many-sockets-on-the-traffic-port.md). HAProxy accepts as many at a time.
 */
const SOCKETS = 64

/** Where clients come in. */
export class TrafficPort extends EventEmitter<{ connection: [Socket] }> {
  readonly #servers: Server[] = []

  /**
   * Listens.
   *
   * @throws ConfigurationError where the address cannot be had
   */
  async open(host: string, port: number): Promise<void> {
    // A worker's connections come from the primary, which does nothing else. Only Linux shares them out among sockets.
    if (cluster.isWorker || process.platform !== 'linux') {
      await this.#add(host, port, false)
      return
    }
    // Sockets that share a port share it with those of any other process of this user that does so: with a second
    // Sidegate, too, unless it finds out before that the port is taken.
    const probe = createServer()
    await listen(probe, { host, port }, VARIABLES)
    const { port: chosen } = probe.address() as AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    while (this.#servers.length < SOCKETS) await this.#add(host, chosen, true)
  }

  get address(): AddressInfo {
    return this.#servers[0]?.address() as AddressInfo
  }

  /** Stops listening; connections stay. */
  close(): void {
    for (const server of this.#servers) if (server.listening) server.close()
  }

  async #add(host: string, port: number, reusePort: boolean): Promise<void> {
    // Half open: the last bytes of a reply still reach a client that has ended its side. One that ends it before has gone.
    const server = createServer({ noDelay: true, allowHalfOpen: true, highWaterMark: SMALL_BYTES }, (socket) =>
      this.emit('connection', socket),
    )
    this.#servers.push(server)
    await listen(server, { host, port, reusePort }, VARIABLES)
  }
}
