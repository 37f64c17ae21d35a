import { afterAll, beforeAll, it } from 'vitest'
import { freePort } from '../../deploy/local/ports.ts'
import { eventually } from '../testing/eventually.ts'
import { connectedGuard, singleTarget } from '../testing/redis-guards.ts'
import { RedisProcess } from '../testing/redis-process.ts'

let redis: RedisProcess

beforeAll(async () => {
  redis = await new RedisProcess(await freePort(), ['enable-debug-command yes']).start()
})

afterAll(() => redis.close())

it('is noticed also where the probe that would have shown it was answered too late', async () => {
  const guard = await connectedGuard(singleTarget(redis.port))
  let told = 0
  guard.onRecovered(() => told++)
  // Longer than a probe's interval: one of them is sure to wait in the server behind this, and to leave its mark after it.
  const slow = redis.command(['EVAL', "redis.call('FLUSHALL')", 0], ['DEBUG', 'SLEEP', '1.2'])
  await slow
  await eventually('it is told of', () => told > 0)
  guard.close()
})

it('is noticed where the server comes back with what it had saved some time ago', async () => {
  await redis.command(['FLUSHALL']) // the mark of the guard above
  const guard = await connectedGuard(singleTarget(redis.port))
  let told = 0
  await eventually('a probe has been answered', async () => Number((await redis.command(['DBSIZE']))[0]) > 0)
  guard.onRecovered(() => told++)
  const [saved] = await redis.command(['KEYS', 'sidegate:test:probe:*'])
  const [key] = saved as [string]
  const [old] = await redis.command(['GET', key])
  await eventually('the mark is a newer one', async () => (await redis.command(['GET', key]))[0] !== old)
  const before = told // on a busy machine a probe may be late, and told of as well
  await redis.command(['SET', key, String(old)])
  await eventually('it is told of', () => told > before)
  guard.close()
})
