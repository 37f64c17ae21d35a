/**
 * How much more than a limit a fleet admits: 1, 3 and 8 proxies, as operators run them, share one Redis, and one client sends ten times what
 * the limit allows, spread over them. Prints a table in Markdown. On loopback alone; ends by itself after two minutes.
 *
 *     node load-test/limits/over-admission.ts
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { startProxyProcess } from '../../proxy/testing/proxy-process.ts'
import { startUpstream } from '../../proxy/testing/start-upstream.ts'

const FLEETS = [1, 3, 8]
const A_SECOND = 50
const BURST = 50
const TIMES_THE_LIMIT = 10
const FOR_MS = 6_000
/** Of a client that sends at first all that it can. */
const AT_ONCE = 500
const STEP_MS = 10
/** Until all instances know how many they are; and until one that has lost Redis knows that. */
const SETTLE_MS = 3_500

const POLICY = `
routes:
  merged: { match: { path: /merged }, limits: [merged] }
  at-once: { match: { path: /at-once }, limits: [at-once] }
  exact: { match: { path: /exact }, limits: [exact] }
  lost: { match: { path: /lost }, limits: [lost] }
limits:
  merged: { requests: ${A_SECOND}, perSeconds: 1, burst: ${BURST} }
  at-once: { requests: ${A_SECOND}, perSeconds: 1, burst: ${BURST} }
  exact: { requests: ${A_SECOND}, perSeconds: 1, burst: ${BURST}, exact: true }
  lost: { requests: ${A_SECOND}, perSeconds: 1, burst: ${BURST} }
`

interface Outcome {
  readonly admitted: number
  readonly refused: number
  readonly allowed: number
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

const statusOf = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    request(url, { agent }, (reply) => {
      reply.resume().on('end', () => resolve(reply.statusCode ?? 0))
    })
      .on('error', reject)
      .end()
  })

/** Sends at an even pace, whatever becomes of what has been sent; or the same all at once, and then at that pace. */
const flood = async (origins: readonly string[], path: string, atOnce = 0): Promise<Outcome> => {
  const sent: Promise<number>[] = []
  const startedMs = performance.now()
  for (let nowMs = 0; nowMs < FOR_MS; nowMs = performance.now() - startedMs) {
    const due = atOnce + (nowMs * A_SECOND * TIMES_THE_LIMIT) / 1_000
    while (sent.length <= due) sent.push(statusOf(`${origins[sent.length % origins.length]}${path}`))
    await delay(STEP_MS)
  }
  const statuses = await Promise.all(sent)
  const count = (status: number) => statuses.filter((one) => one === status).length
  return { admitted: count(200), refused: count(429), allowed: BURST + (A_SECOND * FOR_MS) / 1_000 }
}

const row = (...cells: readonly (string | number)[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`)

const measure = async (size: number, appUrl: string, policyFile: string): Promise<void> => {
  const redis = await new RedisProcess(await freePort()).start()
  const proxies = await Promise.all(
    Array.from({ length: size }, () =>
      startProxyProcess(appUrl, { REDIS_URL: redis.url, POLICY_FILE: policyFile, ACCESS_LOG: 'off' }),
    ),
  )
  try {
    const origins = proxies.map(({ origin }) => origin)
    const report = async (what: string, path: string, atOnce = 0) => {
      const { admitted, refused, allowed } = await flood(origins, path, atOnce)
      row(size, what, admitted + refused, allowed, admitted, `${((admitted / allowed) * 100).toFixed(0)} %`)
    }
    await delay(SETTLE_MS)
    await report('merged', '/merged')
    await report(`merged, ${AT_ONCE} at once first`, '/at-once', AT_ONCE)
    await report('exact', '/exact')
    redis.freeze()
    await delay(SETTLE_MS)
    await report('Redis lost: shares', '/lost')
  } finally {
    for (const { child } of proxies) child.process.kill('SIGKILL')
    await Promise.all(proxies.map(({ child }) => child.exited()))
    await redis.close()
  }
}

const folder = await mkdtemp(join(tmpdir(), 'sidegate-limits-'))
const policyFile = join(folder, 'policy.yaml')
await writeFile(policyFile, POLICY)
const app = await startUpstream((_request, response) => {
  response.end('ok')
})
try {
  row('instances', 'limit', 'requests', 'allowed', 'admitted', 'of what is allowed')
  row('--:', '---', '--:', '--:', '--:', '--:')
  for (const size of FLEETS) await measure(size, app.url, policyFile)
} finally {
  agent.destroy()
  await app.close()
  await rm(folder, { recursive: true, force: true })
}
