/**
 * node --expose-gc load-test/blocks/million.ts: a million blocks in a Redis of its own; how long an instance that starts takes
 * to load them, how long its loop is held up meanwhile, and what they take in memory.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { connectedGuard, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { BlockStore } from '../../proxy/state/blocks/block-store.ts'

const BLOCKS = 1_000_000
const AT_ONCE = 500
const HOUR_MS = 3_600_000

const addressOf = (number: number): string => `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`

const memoryBytes = (): number => {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`

const redis = await new RedisProcess(await freePort()).start()
const open = async () => new BlockStore(await connectedGuard(singleTarget(redis.port), 'blocks', 1_000), quietLog)

const writer = await open()
await writer.open()
const untilMs = Date.now() + HOUR_MS
const startedAtMs = performance.now()
for (let first = 0; first < BLOCKS; first += AT_ONCE) {
  const orders = Array.from({ length: AT_ONCE }, (_, index) => ({
    ...{
      range: addressOf(first + index),
      source: 'auto' as const,
      author: 'sidegate',
      reason: '20 violations in 60 s',
    },
    ...{ sinceMs: Date.now(), untilMs, forgetAtMs: untilMs + 24 * HOUR_MS, count: 1 },
  }))
  await writer.block(orders)
}
process.stdout.write(`told, ${AT_ONCE} at a time: ${seconds(startedAtMs)}\n`)
writer.close()

const reader = await open()
const before = memoryBytes()
const delays = monitorEventLoopDelay({ resolution: 1 })
delays.enable()
const openedAtMs = performance.now()
await reader.open()
delays.disable()
const bytes = (memoryBytes() - before) / reader.size
process.stdout.write(
  `loaded by an instance that starts: ${reader.size} in ${seconds(openedAtMs)}; the loop was held up for ${(delays.max / 1e6).toFixed(1)} ms at most, ` +
    `${(delays.percentile(99) / 1e6).toFixed(1)} ms at p99; ${Math.round(bytes)} bytes a block\n`,
)
await redis.close()
process.exit(0)
