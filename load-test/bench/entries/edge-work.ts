import { randomUUID } from 'node:crypto'
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import { UPSTREAM_CONNECTIONS } from '../peers/peer.ts'

/** As `http.Agent` is told to keep connections. */
export const keepAliveAgent = (): Agent =>
  new Agent({ keepAlive: true, maxSockets: UPSTREAM_CONNECTIONS, maxFreeSockets: UPSTREAM_CONNECTIONS })

/**
 * The work that Sidegate does on every request, in the way that costs a proxy of `node:http` least: written over the
 * parsed fields before they are copied to the app's request.
 */
export const doEdgeWork = (request: IncomingMessage, response: ServerResponse): void => {
  const { headers } = request
  const requestId = (headers['x-request-id'] ??= randomUUID())
  headers['x-forwarded-for'] = request.socket.remoteAddress
  headers['x-forwarded-host'] = headers.host
  headers['x-forwarded-proto'] = 'http'
  response.setHeader('X-Request-ID', requestId)
}

/** The server's keep-alive as Sidegate has it. */
export const KEEP_ALIVE_TIMEOUT_MS = 620_000
