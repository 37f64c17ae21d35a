import { Counter, Gauge, type Registry } from 'prom-client'
import type { DependencyCheck } from '../health.ts'
import type { RedisGuard } from '../redis.ts'

const CHECK_INTERVAL_MS = 500

/** What `/api/status` tells of Redis. */
export const redisStatus = (redis: RedisGuard | undefined): Readonly<Record<string, unknown>> =>
  redis === undefined
    ? { mode: 'memory' }
    : { mode: redis.kind, isImpaired: redis.isImpaired, shards: redis.shards, ...redis.counts }

/** What health tells of it: a process without Redis is degraded, and as ready as with it. */
export const redisCheck = (redis: RedisGuard): DependencyCheck => ({
  name: 'redis',
  required: false,
  intervalMs: CHECK_INTERVAL_MS,
  timeoutMs: CHECK_INTERVAL_MS,
  async probe() {
    const lost = redis.shards.filter(({ state }) => state === 'open')
    if (lost.length > 0) throw new Error(lost.map(({ name, cause }) => `${name}: ${cause}`).join('; '))
  },
})

const MODES = ['memory', 'single', 'sentinel', 'cluster'] as const

/** What `/metrics` tells of it. */
export const redisMetrics = (registry: Registry, redis: RedisGuard | undefined): void => {
  new Gauge({
    name: 'sidegate_redis_mode',
    help: '1 for how Redis is configured: single, sentinel or cluster; memory for not at all.',
    labelNames: ['mode'],
    registers: [registry],
    collect() {
      for (const mode of MODES) this.set({ mode }, mode === (redis?.kind ?? 'memory') ? 1 : 0)
    },
  })
  if (redis === undefined) return
  new Gauge({
    name: 'sidegate_redis_up',
    help: 'Whether a part of Redis is asked; 0 while it is done without.',
    labelNames: ['shard'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { name, state } of redis.shards) this.set({ shard: name }, state === 'closed' ? 1 : 0)
    },
  })
  new Counter({
    name: 'sidegate_redis_calls_total',
    help: 'Calls by result: answered; or, done without an answer, timeout, unreachable, refused (a defect, or a missing right), skipped (known to be lost).',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [result, count] of Object.entries(redis.counts.calls)) this.inc({ result }, count)
    },
  })
  new Counter({
    name: 'sidegate_redis_reconnects_total',
    help: 'Attempts to connect again.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(redis.counts.reconnects)
    },
  })
}
