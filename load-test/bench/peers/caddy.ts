import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Peer, type PeerStart, UPSTREAM_CONNECTIONS } from './peer.ts'

/** Caddy replaces X-Forwarded-* of itself where it trusts no proxy in front of it. */
const configuration = ({ port, upstream, kind }: PeerStart): string => `
{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://:${port} {
  bind 127.0.0.1
  route {
    @without_id not header X-Request-ID *
    request_header @without_id X-Request-ID {http.request.uuid}
    header X-Request-ID {http.request.header.X-Request-ID}
    reverse_proxy ${kind === 'tcp' ? `127.0.0.1:${upstream.port}` : `unix/${upstream.socketPath}`} {
      flush_interval -1
      transport http {
        keepalive 120s
        keepalive_idle_conns ${UPSTREAM_CONNECTIONS}
        keepalive_idle_conns_per_host ${UPSTREAM_CONNECTIONS}
        compression off
      }
    }
  }
}
`

export const caddy: Peer = {
  name: 'caddy',
  tool: { command: 'caddy', debianPackage: 'caddy', purpose: 'the benchmark’s row of Caddy' },
  isJit: false,
  note: 'Caddy takes GOMAXPROCS from the cores that it may run on',
  start: async (start) => {
    const { folder, children, cpus } = start
    const file = join(folder, 'Caddyfile')
    await writeFile(file, configuration(start))
    return children.start({
      name: 'caddy',
      cpus,
      command: 'caddy',
      args: ['run', '--config', file, '--adapter', 'caddyfile'],
      environment: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    })
  },
}
