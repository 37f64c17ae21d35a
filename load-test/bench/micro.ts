import { fileURLToPath } from 'node:url'
import { proxyNode } from '../../proxy/node-options.ts'
import type { Bench } from './bench.ts'
import type { MicroResult } from './results.ts'

const SCRIPT = fileURLToPath(new URL('entries/micro.ts', import.meta.url))

const TIMEOUT_MS = 300_000

/** Nanoseconds a call of the pure parts, in a process of its own on the proxy's core. */
export const runMicro = async ({ children, cores, results }: Bench): Promise<void> => {
  const settings = {
    name: 'micro-benchmark',
    cpus: cores.proxy,
    command: process.execPath,
    args: [...proxyNode.flags, SCRIPT],
    environment: { NODE_ENV: 'production' },
  }
  const lines = await children.run(settings, TIMEOUT_MS)
  results.micro = JSON.parse(lines.at(-1) ?? '') as MicroResult[]
}
