/**
 * What 1,000,000 distinct clients in a minute cost in memory: one limit, held by a layer in a process that does nothing else, merged by a real
 * Redis. Prints one row in Markdown; ends by itself after a minute.
 *
 *     node --max-semi-space-size=16 --expose-gc load-test/limits/memory.ts [keysLimit]
 */
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#shared/clock.ts'
import { connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { FleetLimits } from '../../proxy/state/limits/fleet-limits.ts'
import { admitsIn } from '../../proxy/testing/limited-instance.ts'
import { TestPolicies } from '../../proxy/testing/policies.ts'

const CLIENTS = 1_000_000
const FOR_MS = 60_000
const STEP_MS = 10
const MEBIBYTE = 1_048_576

const keysLimit = Number(process.argv[2] ?? 100_000)
const { active } = new TestPolicies({ limits: { l: { requests: 100, perSeconds: 3_600, keysLimit } } })
const redis = await new RedisProcess(await freePort()).start()
const guard = await connectedGuard(singleTarget(redis.port))
const limits = new FleetLimits(guard, { size: 1 }, systemClock)

const rss = () => process.memoryUsage().rss / MEBIBYTE
const collect = () => (globalThis as { gc?: () => void }).gc?.()

collect()
const before = rss()
const cpuBefore = process.cpuUsage()
let most = before
let waiting = 0
let client = 0
const startedMs = performance.now()
while (client < CLIENTS) {
  const due = Math.min(((performance.now() - startedMs) * CLIENTS) / FOR_MS, CLIENTS)
  for (; client < due; client++) {
    const address = `${10 + (client >> 24)}.${(client >> 16) & 255}.${(client >> 8) & 255}.${client & 255}`
    admitsIn(limits.states, active, 'l', address, { nowMs: performance.now() })
  }
  most = Math.max(most, rss())
  waiting = Math.max(waiting, limits.waiting)
  await delay(STEP_MS)
}
const { user, system } = process.cpuUsage(cpuBefore)
const seconds = (performance.now() - startedMs) / 1_000
collect()
const [info] = (await redis.command(['INFO', 'memory'])) as string[]
const redisMebibytes = Number(/used_memory:(\d+)/.exec(info ?? '')?.[1]) / MEBIBYTE
const [known] = await redis.command(['DBSIZE'])
const cells = [
  keysLimit.toLocaleString('en'),
  `${before.toFixed(0)} MiB`,
  `${most.toFixed(0)} MiB`,
  `${rss().toFixed(0)} MiB`,
  waiting.toLocaleString('en'),
  `${((user + system) / 1e4 / seconds).toFixed(0)} %`,
  `${Number(known).toLocaleString('en')} keys, ${redisMebibytes.toFixed(0)} MiB`,
]
process.stdout.write(
  '| keysLimit | RSS before | most | afterwards | waiting, most | CPU | Redis |\n|--:|--:|--:|--:|--:|--:|--:|\n',
)
process.stdout.write(`| ${cells.join(' | ')} |\n`)
await limits.close()
guard.close()
await redis.close()
