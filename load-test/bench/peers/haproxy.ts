import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CLIENT_CONNECTIONS, type Peer, type PeerStart, UPSTREAM_CONNECTIONS } from './peer.ts'

const configuration = ({ port, upstream, kind }: PeerStart): string => `
global
  nbthread 1
  maxconn ${CLIENT_CONNECTIONS}
  no strict-limits
defaults
  mode http
  timeout connect 2s
  timeout client 620s
  timeout http-keep-alive 620s
  timeout server 30s
  option http-keep-alive
  http-reuse always
frontend traffic
  bind 127.0.0.1:${port} backlog 4096
  unique-id-format %[uuid]
  http-request set-header X-Request-ID %[unique-id] unless { req.hdr(X-Request-ID) -m found }
  http-request set-var(txn.request_id) req.hdr(X-Request-ID)
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Forwarded-Proto http
  http-response set-header X-Request-ID %[var(txn.request_id)]
  default_backend app
backend app
  server app ${kind === 'tcp' ? `127.0.0.1:${upstream.port}` : `unix@${upstream.socketPath}`} maxconn ${UPSTREAM_CONNECTIONS}
`

export const haproxy: Peer = {
  name: 'haproxy',
  tool: { command: 'haproxy', debianPackage: 'haproxy', purpose: 'the benchmark’s row of HAProxy' },
  isJit: false,
  start: async (start) => {
    const file = join(start.folder, 'haproxy.cfg')
    await writeFile(file, configuration(start))
    return start.children.start({ name: 'haproxy', cpus: start.cpus, command: 'haproxy', args: ['-db', '-f', file] })
  },
}
