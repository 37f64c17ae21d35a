/** What every peer script is called with: the port to listen on, and the upstream as `host:port` or a socket's path. */
export interface EntryArguments {
  readonly port: number
  readonly upstream: { readonly host: string; readonly port: number } | { readonly socketPath: string }
}

export const entryArguments = (): EntryArguments => {
  const [port, upstream] = process.argv.slice(2)
  if (port === undefined || upstream === undefined) throw new Error('expected a port and an upstream')
  if (upstream.startsWith('/')) return { port: Number(port), upstream: { socketPath: upstream } }
  const [host = '', upstreamPort] = upstream.split(':')
  return { port: Number(port), upstream: { host, port: Number(upstreamPort) } }
}

/** More than the system's own limit, so that a thousand connections at once are not turned away. */
export const LISTEN_BACKLOG = 4_096
