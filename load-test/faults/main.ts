/**
 * npm run demo:faults: an app and a proxy as processes, readers at a steady rate, and one fault after the other: the app is
 * frozen, killed, fails, and is slow. On loopback, on ports of its own; ends by itself after about two minutes.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../deploy/local/ports.ts'
import { startProxyProcess } from '../../proxy/testing/proxy-process.ts'
import { AppProcess } from './app-process.ts'
import { Readers } from './readers.ts'
import { type Faulted, faultTable } from './table.ts'

const PER_SECOND = 1_000
const FAULT_MS = 10_000
const QUIET_MS = 20_000
const ADMIN_TOKEN = 'a-token-of-the-demonstration'

const POLICY = `
operations:
  read: {headersTimeoutMs: 1000, totalTimeoutMs: 3000}
  write: {headersTimeoutMs: 1000, totalTimeoutMs: 3000}
routes:
  listing: {match: {path: "/listings/:id"}, cache: {visibility: public, maxAgeSeconds: 5}, stale: {keepSeconds: 600}}
breaker: {consecutiveFailures: 10, openSeconds: 2, rampSeconds: 3}
`

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const folder = await mkdtemp(join(tmpdir(), 'sidegate-faults-'))
const policyFile = join(folder, 'policy.yaml')
await writeFile(policyFile, POLICY)
const appPort = await freePort()
const app = new AppProcess(appPort)
await app.start()
const proxy = await startProxyProcess(`http://127.0.0.1:${appPort}`, {
  POLICY_FILE: policyFile,
  ADMIN_TOKEN,
  LOG_LEVEL: 'info',
  ACCESS_LOG: 'off',
})

/** What is done to the app, and undone. */
const FAULTS: readonly { readonly name: string; begin(): Promise<void> | void; end(): Promise<void> | void }[] = [
  { name: 'frozen (SIGSTOP) for 10 s', begin: () => app.signal('SIGSTOP'), end: () => app.signal('SIGCONT') },
  { name: 'killed (SIGKILL), back after 10 s', begin: () => app.kill(), end: () => app.start() },
  { name: 'every reply 500 for 10 s', begin: () => app.become('failing'), end: () => app.become('good') },
  { name: '2 s late for 10 s', begin: () => app.become('slow'), end: () => app.become('good') },
]

interface Circuit {
  readonly state: string
}

const areClosed = async (): Promise<boolean> => {
  const reply = await fetch(`${proxy.admin}/api/circuits`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
  const { circuits } = (await reply.json()) as { circuits: readonly Circuit[] }
  return circuits.every(({ state }) => state === 'closed')
}

const readers = new Readers(proxy.origin, PER_SECOND)
const faults: Faulted[] = []
try {
  await delay(5_000) // so that all pages have been read
  for (const { name, begin, end } of FAULTS) {
    say(name)
    const before = proxy.child.lines.length
    const fromMs = readers.nowMs
    await begin()
    let openedAfterMs: number | undefined
    while (readers.nowMs < fromMs + FAULT_MS) {
      if (openedAfterMs === undefined && !(await areClosed())) openedAfterMs = readers.nowMs - fromMs
      await delay(20)
    }
    const toMs = readers.nowMs
    await end()
    let closedAfterMs: number | undefined
    while (readers.nowMs < toMs + QUIET_MS) {
      if (closedAfterMs === undefined && (await areClosed())) closedAfterMs = readers.nowMs - toMs
      await delay(50)
    }
    const opened = proxy.child.lines.slice(before).filter(({ msg }) => /circuit.*open/i.test(String(msg))).length
    faults.push({ name, fromMs, toMs, openedAfterMs, opened, closedAfterMs })
  }
} finally {
  await readers.close()
  proxy.child.process.kill('SIGKILL')
  app.signal('SIGCONT')
  await app.kill()
  await rm(folder, { recursive: true })
}
say(`\n${faultTable(faults, readers.seen)}`)
