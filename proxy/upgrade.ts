import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createProxyServer, type ProxyServer } from 'http-proxy-3'
import type { HttpDrain } from '#shared/http-drain.ts'
import type { Exchange } from './exchange.ts'
import { replyHeaders } from './headers.ts'
import { upstreamRefusal } from './upstream-error.ts'
import type { UpstreamAddress } from './upstream-url.ts'

/** WebSocket handshakes and the connections that come of them, by http-proxy-3. */
export class Upgrades {
  readonly #proxy: ProxyServer

  constructor(address: UpstreamAddress, connectTimeoutMs: number) {
    const target =
      address.socketPath === undefined
        ? address.origin
        : { socketPath: address.socketPath, protocol: 'http:', host: 'localhost' }
    this.#proxy = createProxyServer({
      target: target as string,
      ws: true,
      xfwd: false,
      connectTimeout: connectTimeoutMs,
    })
  }

  handle(exchange: Exchange, socket: Duplex, head: Buffer, drain: HttpDrain): void {
    const { request } = exchange
    request.url = exchange.target?.pathAndQuery ?? '/'
    request.headers = handshakeHeaders(exchange)
    // http-proxy-3 has no hook on the reply's head: its request is caught as it is made, and heard before its own
    // listeners are added.
    this.#proxy.once('proxyReqWs', (proxyRequest: ClientRequest) => {
      exchange.upstream = { abort: () => proxyRequest.destroy(), resume: () => undefined }
      proxyRequest.once('upgrade', (reply: IncomingMessage, upstreamSocket: Duplex) => {
        const headers = replyHeaders(reply.rawHeaders, 101)
        headers.push('Connection', 'Upgrade', 'Upgrade', reply.headers.upgrade ?? 'websocket')
        const switching = { status: 101, statusText: 'Switching Protocols', headers }
        exchange.upgrade(switching)
        exchange.upstream = undefined
        reply.headers = asObject(switching.headers)
        drain.end(exchange)
        drain.beginUpgrade(socket)
        // A peer that is cut, rather than closed in good order, must take the other one with it.
        socket.once('close', () => upstreamSocket.destroy())
      })
      proxyRequest.once('response', (reply: IncomingMessage) => {
        const status = reply.statusCode ?? 502
        const refused = { status, statusText: '', headers: replyHeaders(reply.rawHeaders, status) }
        exchange.upgrade(refused)
        reply.headers = asObject([...refused.headers, 'Connection', 'close'])
      })
    })
    this.#proxy.ws(request, socket, head, {}, (error) => exchange.refuse(upstreamRefusal(error)))
  }
}

const handshakeHeaders = (exchange: Exchange): IncomingHttpHeaders =>
  asObject([...exchange.upstreamHeaders(), 'Connection', 'Upgrade', 'Upgrade', 'websocket'])

/** Fields that came several times stay several: an array of values. */
const asObject = (headers: readonly string[]): IncomingHttpHeaders => {
  const object: Record<string, string | string[]> = {}
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase()
    const value = headers[index + 1] as string
    const present = object[name]
    object[name] = present === undefined ? value : Array.isArray(present) ? [...present, value] : [present, value]
  }
  return object
}
