import { caddy } from './caddy.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'
import { nodePeer } from './node-peer.ts'
import type { Peer } from './peer.ts'
import { sidegate } from './sidegate.ts'

/** The load straight at the upstream: what there is to add latency to, and no proxy's CPU. */
export const DIRECT = 'direct'

export const proxies: readonly Peer[] = [
  sidegate(),
  haproxy,
  nginx,
  caddy,
  nodePeer('http-proxy-3', 'http-proxy-3.ts'),
  nodePeer('http-proxy-middleware', 'http-proxy-middleware.ts'),
  nodePeer('@fastify/http-proxy', 'fastify-http-proxy.ts'),
  nodePeer('raw-tunnel', 'raw-tunnel.ts', {
    isTunnel: true,
    note: 'the floor of what Node can do: it moves bytes, one connection for each connection, and reads no HTTP',
    excluded: { 'idle-memory': 'holds two sockets for each connection' },
  }),
]

export const peerNames: readonly string[] = [DIRECT, ...proxies.map(({ name }) => name)]
