import { expect, it } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { connectedGuard, singleTarget } from '../testing/redis-guards.ts'
import { redisOfFile } from '../testing/redis-of-file.ts'
import { Fleet } from './fleet.ts'

const BEAT_MS = 100

const redis = await redisOfFile()

it('knows how many live, those who leave and those who die; and keeps what it knew while Redis is lost', async () => {
  const guards = await Promise.all([1, 2, 3].map(() => connectedGuard(singleTarget(redis.port))))
  const [first, second, third] = guards.map((guard, index) => new Fleet(guard, 'proxy', `i${index}`, BEAT_MS)) as [
    Fleet,
    Fleet,
    Fleet,
  ]
  await eventually('there are three', () => [first, second, third].every(({ size }) => size === 3))
  await redis.kill()
  await eventually('Redis is missed', () => guards.every(({ isImpaired }) => isImpaired))
  expect(first.size).toBe(3)
  await redis.start()
  await eventually('Redis is back', () => guards.every(({ isImpaired }) => !isImpaired))
  await eventually('there are three again', () => [first, second, third].every(({ size }) => size === 3))
  await second.close()
  await eventually('one has left', () => first.size === 2)
  guards[2]?.close() // as one that is cut off
  await eventually('one has died', () => first.size === 1)
  await first.close()
  for (const guard of guards) guard.close()
})

it('is alone where no Redis is configured', async () => {
  const fleet = new Fleet(undefined, 'proxy', 'i')
  expect(fleet.size).toBe(1)
  await fleet.close()
})
