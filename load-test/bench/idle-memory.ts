import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Bench, type RunningPeer, SETTLE_MS, startOrName } from './bench.ts'
import { Interrupted } from './children.ts'
import { UPSTREAM_CONNECTIONS } from './peers/peer.ts'
import { readTreeRssBytes } from './process-tree.ts'
import type { Absence, IdleMemory } from './results.ts'

const CONNECTIONS = [0, 1_000, 10_000] as const
const OPEN_TIMEOUT_MS = 90_000
const SCRIPT = fileURLToPath(new URL('entries/idle-connections.ts', import.meta.url))

/** Resident memory of each peer, fresh from its start and with more and more connections that do nothing. */
export const runIdleMemory = async (bench: Bench): Promise<void> => {
  const { results, say, peers: all } = bench
  const filesLimit = await openFilesLimit()
  // Each connection is a file of the proxy, and so may be one to the upstream.
  const connections = CONNECTIONS.filter((count) => count + UPSTREAM_CONNECTIONS < filesLimit)
  if (connections.length < CONNECTIONS.length) {
    results.missing.push({
      what: `memory at ${CONNECTIONS.slice(connections.length).join(' and ')} connections`,
      why: `a process may open ${filesLimit} files only (ulimit -n)`,
    })
  }
  const peers: IdleMemory[] = []
  const absent: Absence[] = []
  results.idleMemory = { connections, peers, absent }
  for (const peer of all) {
    const why = peer.excluded?.['idle-memory']
    if (why !== undefined) {
      absent.push({ peer: peer.name, why })
      continue
    }
    const started = await startOrName(bench, peer, absent)
    if (started === undefined) continue
    try {
      const rssBytes: Record<number, number> = {}
      peers.push({ peer: peer.name, rssBytes })
      for (const count of connections) {
        rssBytes[count] = await rssWith(bench, started, count)
        say(`  ${peer.name} with ${count}: ${Math.round(rssBytes[count] / 1e6)} MB`)
      }
    } catch (error) {
      if (bench.children.isStopped) throw new Interrupted()
      say(`  ${(error as Error).message}`)
      absent.push({ peer: peer.name, why: (error as Error).message.split('\n')[0] ?? '' })
    } finally {
      await started.child?.stop()
    }
  }
}

const rssWith = async ({ children, cores }: Bench, peer: RunningPeer, connections: number): Promise<number> => {
  const pid = peer.child?.pid as number
  if (connections === 0) {
    await delay(2 * SETTLE_MS)
    return readTreeRssBytes(pid)
  }
  const open = Promise.withResolvers<void>()
  const holder = children.start(
    {
      name: 'idle connections',
      cpus: cores.load,
      command: process.execPath,
      args: [SCRIPT, String(peer.port), String(connections)],
    },
    (line) => {
      if (line === 'all are open') open.resolve()
    },
  )
  const timer = setTimeout(() => open.reject(new Error(`${connections} could not be opened in time`)), OPEN_TIMEOUT_MS)
  void holder.ended.then(() =>
    open.reject(new Error(`${connections} could not be held: ${holder.lastLines.join(' ')}`)),
  )
  try {
    await open.promise
    await delay(2 * SETTLE_MS)
    return await readTreeRssBytes(pid)
  } finally {
    clearTimeout(timer)
    await holder.stop()
  }
}

/** Of this process and its children. */
const openFilesLimit = async (): Promise<number> => {
  const limits = await readFile('/proc/self/limits', 'utf8')
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}
