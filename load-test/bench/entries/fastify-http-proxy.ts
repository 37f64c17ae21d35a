import { randomUUID } from 'node:crypto'
import httpProxy from '@fastify/http-proxy'
import { fastify } from 'fastify'
import { UPSTREAM_CONNECTIONS } from '../peers/peer.ts'
import { KEEP_ALIVE_TIMEOUT_MS } from './edge-work.ts'
import { entryArguments, LISTEN_BACKLOG } from './entry-arguments.ts'

const { port, upstream } = entryArguments()
const server = fastify({
  logger: false,
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  requestIdHeader: 'x-request-id',
  genReqId: () => randomUUID(),
})
await server.register(httpProxy, {
  upstream:
    'socketPath' in upstream
      ? `unix+http://${encodeURIComponent(upstream.socketPath)}/`
      : `http://${upstream.host}:${upstream.port}`,
  undici: { connections: UPSTREAM_CONNECTIONS, pipelining: 1, keepAliveTimeout: 60_000 },
  disableRequestLogging: true,
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => {
      headers['x-request-id'] = request.id
      headers['x-forwarded-for'] = request.socket.remoteAddress
      headers['x-forwarded-host'] = request.headers.host
      headers['x-forwarded-proto'] = 'http'
      return headers
    },
    rewriteHeaders: (headers, request) => {
      // They are about the connection to the upstream; passed on, Node keeps a connection that the client wants closed.
      delete headers.connection
      delete headers['keep-alive']
      if (request !== undefined) headers['x-request-id'] = request.id
      return headers
    },
  },
})
await server.listen({ port, host: '127.0.0.1', backlog: LISTEN_BACKLOG })
