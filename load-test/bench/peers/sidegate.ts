import { fileURLToPath } from 'node:url'
import { proxyNode } from '../../../proxy/node-options.ts'
import type { Peer } from './peer.ts'

export const SIDEGATE = 'sidegate'
const MAIN = fileURLToPath(new URL('../../../proxy/main.ts', import.meta.url))

/** The proxy as operators run it, with the defaults of its settings. */
export const sidegate = (environment: Readonly<Record<string, string>> = {}): Peer => ({
  name: SIDEGATE,
  isJit: true,
  start: async ({ children, cpus, port, upstream, kind }) =>
    children.start({
      name: SIDEGATE,
      cpus,
      command: process.execPath,
      args: [...proxyNode.flags, MAIN],
      environment: {
        ...proxyNode.environment,
        NODE_ENV: 'production',
        UPSTREAM_URL: kind === 'tcp' ? `http://127.0.0.1:${upstream.port}` : `unix:${upstream.socketPath}`,
        HOST: '127.0.0.1',
        PORT: String(port),
        ADMIN_HOST: '127.0.0.1',
        ADMIN_PORT: '0',
        DRAIN_DELAY_MS: '0',
        ...environment,
      },
    }),
})
