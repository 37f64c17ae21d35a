import { fileURLToPath } from 'node:url'
import type { Peer } from './peer.ts'

/** A peer made of an npm package: a script of ours that reads where to listen and where to forward from its arguments. */
export const nodePeer = (name: string, script: string, more: Partial<Peer> = {}): Peer => ({
  name,
  isJit: true,
  ...more,
  start: async ({ children, cpus, port, upstream, kind }) =>
    children.start({
      name,
      cpus,
      command: process.execPath,
      args: [
        fileURLToPath(new URL(`../entries/${script}`, import.meta.url)),
        String(port),
        kind === 'tcp' ? `127.0.0.1:${upstream.port}` : upstream.socketPath,
      ],
      environment: { NODE_ENV: 'production' },
    }),
})
