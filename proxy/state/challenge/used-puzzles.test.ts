import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '#shared/clock.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { clusterTarget, connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { startCluster } from '#shared/testing/redis-topologies.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { answer, ask, puzzleIn, solve } from '../../testing/challenge-client.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { startProxy } from '../../testing/start-proxy.ts'
import { ownSecrets } from './open.ts'
import { UsedPuzzles } from './used-puzzles.ts'

const startRedis = async (): Promise<RedisProcess> => {
  const redis = await new RedisProcess(await freePort()).start()
  onTestFinished(() => redis.close())
  return redis
}

const connect = async (redis: RedisProcess) => {
  const guard = await connectedGuard(singleTarget(redis.port))
  onTestFinished(() => guard.close())
  return guard
}

/** Two proxies of one fleet. */
const startTwo = async (redis: RedisProcess): Promise<readonly [string, string]> => {
  const challengeSecrets = ownSecrets()
  const policies = new TestPolicies({ challenge: { difficulty: 1_000 } })
  const start = async () => {
    const proxy = await startProxy('http://127.0.0.1:9', {}, policies, {
      redis: await connect(redis),
      challengeSecrets,
    })
    onTestFinished(() => proxy.close())
    return proxy.origin
  }
  return [await start(), await start()]
}

const puzzle = async (origin: string) => solve(puzzleIn(await ask(`${origin}/__sidegate/challenge`)))
const result = async (origin: string, given: unknown) => {
  const { status, body } = await answer(origin, given)
  return status === 200 ? 'solved' : body.result
}

it('a puzzle of one instance is good at another, and in the fleet once', async () => {
  const [one, two] = await startTwo(await startRedis())
  const first = await puzzle(one)
  expect([await result(two, first), await result(one, first), await result(two, first)]).toEqual([
    ...['solved', 'replayed', 'replayed'],
  ])
  const second = await puzzle(two)
  const both = await Promise.all([result(one, second), result(two, second)])
  expect(both.sort()).toEqual(['replayed', 'solved'])
})

it('without its Redis each instance goes by what it knows, and tells what it did once Redis is back', async () => {
  const redis = await startRedis()
  const [one, two] = await startTwo(redis)
  const before = await puzzle(one)
  expect(await result(one, before)).toBe('solved')
  await redis.kill()
  expect(await result(one, before)).toBe('replayed')
  const during = await puzzle(one)
  expect([await result(one, during), await result(one, during)]).toEqual(['solved', 'replayed'])
  await redis.start()
  await eventually('the use is told', async () => {
    const [keys] = await redis.command(['KEYS', '*challenge:used:*'])
    return (keys as string[]).some((key) => key.endsWith(String(during.signature)))
  })
  expect(await result(two, during)).toBe('replayed')
})

it('what is remembered is bounded, and lives in Redis for as long as the puzzle does', async () => {
  const redis = await startRedis()
  const used = new UsedPuzzles(await connect(redis), systemClock, 100)
  onTestFinished(() => used.close())
  for (let id = 0; id < 300; id++) expect(await used.use(String(id), Date.now() + 60_000)).toBe(true)
  expect(used.size).toBeLessThanOrEqual(100)
  expect(await used.use('0', Date.now() + 60_000), 'Redis knows').toBe(false)
  const [lifeMs] = await redis.command(['PTTL', 'sidegate:test:challenge:used:0'])
  expect(Number(lifeMs)).toBeGreaterThan(1_000)
  expect(Number(lifeMs)).toBeLessThanOrEqual(60_000)
})

it('in a cluster a puzzle is good once, too', async () => {
  const cluster = await startCluster()
  onTestFinished(() => cluster.close())
  const join = async () => {
    const guard = await connectedGuard(clusterTarget(cluster))
    onTestFinished(() => guard.close())
    const used = new UsedPuzzles(guard, systemClock, 100)
    onTestFinished(() => used.close())
    return used
  }
  const [one, two] = [await join(), await join()]
  for (let id = 0; id < 20; id++) {
    const uses = [await one.use(String(id), Date.now() + 60_000), await two.use(String(id), Date.now() + 60_000)]
    expect(uses).toEqual([true, false])
  }
}, 90_000)
