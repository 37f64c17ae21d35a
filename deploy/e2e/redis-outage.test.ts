import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import type { RedisProcess } from '#shared/testing/redis-process.ts'
import { MASTER_NAME, startSentinels, type Topology } from '#shared/testing/redis-topologies.ts'
import { type SteadyOutcome, sendSteadily } from '#shared/testing/steady-requests.ts'
import { type ProxyProcess, startProxyProcess } from '../../proxy/testing/proxy-process.ts'
import { startRawUpstream, type TestUpstream } from '../../proxy/testing/start-upstream.ts'

const REPLY = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const LOAD = { requestsPerSecond: 2_200, connections: 44 }
const TOKEN = 'a-token-for-the-test'

let app: TestUpstream | undefined
let proxy: ProxyProcess | undefined
let redis: Topology | undefined

afterEach(async () => {
  proxy?.child.process.kill('SIGKILL')
  await proxy?.child.exited()
  await redis?.close()
  await app?.close()
})

interface Status {
  readonly redis: { readonly isImpaired: boolean; readonly calls: Readonly<Record<string, number>> }
  readonly fleetSize: number
}

const status = async (): Promise<Status> => {
  const reply = await fetch(`${proxy?.admin}/api/status`, { headers: { Authorization: `Bearer ${TOKEN}` } })
  return (await reply.json()) as Status
}

const report = (what: string, { requests, failed, p99Ms }: SteadyOutcome): void => {
  process.stdout.write(`${what}: ${requests} requests, ${failed} failed, p99 ${p99Ms.toFixed(1)} ms\n`)
}

it('no request notices that Redis is frozen, killed, failed over and started again', async () => {
  app = await startRawUpstream((socket) => {
    socket.on('data', (bytes) => socket.write(REPLY.repeat(bytes.toString('latin1').split('\r\n\r\n').length - 1)))
  })
  redis = await startSentinels()
  const [first, second, ...sentinels] = redis.servers as [RedisProcess, RedisProcess, ...RedisProcess[]]
  proxy = await startProxyProcess(app.url, {
    REDIS_SENTINELS: sentinels.map(({ port }) => `127.0.0.1:${port}`).join(','),
    REDIS_SENTINEL_MASTER: MASTER_NAME,
    ADMIN_TOKEN: TOKEN,
    ACCESS_LOG: 'errors',
  })
  await eventually('Redis answers', async () => !(await status()).redis.isImpaired)

  const { origin } = proxy
  await sendSteadily(origin, { ...LOAD, forMs: 2_000 }) // compilers warm up
  const well = await sendSteadily(origin, { ...LOAD, forMs: 5_000 })
  report('Redis well', well)

  const seen: boolean[] = []
  const harm = async () => {
    first.freeze()
    await delay(4_000)
    seen.push((await status()).redis.isImpaired)
    first.thaw()
    await delay(3_000)
    await second.kill()
    await delay(4_000)
    await second.start()
    await delay(2_000)
    await first.kill()
    await delay(3_000)
    await first.start()
  }
  const [harmed] = await Promise.all([sendSteadily(origin, { ...LOAD, forMs: 20_000 }), harm()])
  report('Redis harmed', harmed)

  expect(well.failed).toBe(0)
  expect(harmed.failed).toBe(0)
  expect(harmed.requests).toBeGreaterThan(well.requests)
  // Of what the harm itself takes from the machine's two cores, more than of what it does to the proxy.
  expect(harmed.p99Ms).toBeLessThan(10 * well.p99Ms + 50)
  const { calls } = (await status()).redis
  expect(calls.answered).toBeGreaterThan(0)
  expect((calls.timeout ?? 0) + (calls.unreachable ?? 0)).toBeGreaterThan(0)
  await eventually('Redis answers again', async () => {
    const { redis: found, fleetSize } = await status()
    return !found.isImpaired && fleetSize === 1
  })
}, 120_000)
