import { readFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { version } from '#shared/version.ts'
import { runCommand } from '../../deploy/local/run-command.ts'
import { findOnPath } from '../../deploy/local/system-tools.ts'
import type { Machine } from './results.ts'

/** How each program says its version; some say it on stderr, or with another status than 0. */
const PROGRAMS: Readonly<Record<string, string>> = {
  nginx: 'nginx -v 2>&1',
  haproxy: 'haproxy -v',
  caddy: 'caddy version',
  wrk: 'wrk -v 2>&1',
  h2load: 'h2load --version',
}

const PACKAGES = ['http-proxy-3', 'http-proxy-middleware', '@fastify/http-proxy']

export const describeMachine = async (): Promise<Machine> => {
  const versions: Record<string, string> = { sidegate: version, node: process.version.slice(1) }
  for (const [program, command] of Object.entries(PROGRAMS)) {
    if ((await findOnPath(program)) === undefined) continue
    const said = await runCommand('/bin/sh', ['-c', `${command}; true`])
    versions[program] = /\d+\.\d+(?:\.\d+)?/.exec(said)?.[0] ?? 'unknown'
  }
  for (const name of PACKAGES) {
    const manifest = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
    versions[name] = JSON.parse(await readFile(manifest, 'utf8')).version
  }
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    kernel: release(),
    memoryBytes: totalmem(),
    versions,
  }
}
