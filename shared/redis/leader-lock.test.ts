import { expect, it } from 'vitest'
import type { RedisGuard } from '../redis.ts'
import { eventually } from '../testing/eventually.ts'
import { connectedGuard, quietLog, singleTarget } from '../testing/redis-guards.ts'
import { redisOfFile } from '../testing/redis-of-file.ts'
import { LeaderLock } from './leader-lock.ts'

const LEASE_MS = 600

const redis = await redisOfFile()

const startFleet = async (name: string, size: number) => {
  const guards = await Promise.all(Array.from({ length: size }, () => connectedGuard(singleTarget(redis.port))))
  const locks = guards.map((guard, index) => lockOf(guard, `${name}-${index}`, name))
  return {
    locks,
    leaders: () => locks.filter(({ token }) => token !== undefined),
    async close() {
      await Promise.all(locks.map((lock) => lock.close()))
      for (const guard of guards) guard.close()
    },
  }
}

const lockOf = (guard: RedisGuard, id: string, name: string) =>
  new LeaderLock(guard, id, { name, leaseMs: LEASE_MS }, quietLog)

it('one of a fleet leads, and keeps the lead', async () => {
  const fleet = await startFleet('one', 5)
  await eventually('there is a leader', () => fleet.leaders().length > 0)
  const [leader] = fleet.leaders()
  const { token } = leader as LeaderLock
  const seen = new Set<number>()
  const until = performance.now() + 3 * LEASE_MS
  while (performance.now() < until) {
    seen.add(fleet.leaders().length)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(Math.max(...seen)).toBe(1)
  // On a machine that stalls for longer than the lease it may have been lost; it is never given to two.
  if (seen.size === 1) expect(leader?.token).toBe(token)
  await fleet.close()
})

it('two locks of one instance, or two lives of it, are two', async () => {
  const guards = await Promise.all([1, 2].map(() => connectedGuard(singleTarget(redis.port))))
  const locks = guards.map((guard) => lockOf(guard, 'same', 'twins')) as [LeaderLock, LeaderLock]
  await eventually('one leads', () => locks.some(({ token }) => token !== undefined))
  expect(locks.filter(({ token }) => token !== undefined)).toHaveLength(1)
  await Promise.all(locks.map((lock) => lock.close()))
  for (const guard of guards) guard.close()
})

it('one that is closed before it knows that it leads does not keep the lead', async () => {
  const guard = await connectedGuard(singleTarget(redis.port))
  await lockOf(guard, 'a', 'hasty').close()
  expect(await redis.command(['EXISTS', 'sidegate:test:leader:{hasty}'])).toEqual([0])
  guard.close()
})

it('a leader that closes is followed at once, by one with a greater token', async () => {
  const fleet = await startFleet('closes', 3)
  await eventually('there is a leader', () => fleet.leaders().length === 1)
  const [first] = fleet.leaders() as [LeaderLock]
  const token = first.token as number
  await first.close()
  expect(first.token).toBeUndefined()
  await eventually('another one leads', () => fleet.leaders().length === 1)
  expect(fleet.leaders()[0]?.token).toBeGreaterThan(token)
  await fleet.close()
})

it('without Redis nobody leads once the lease has passed; afterwards somebody does, with a greater token', async () => {
  const fleet = await startFleet('lost', 3)
  await eventually('there is a leader', () => fleet.leaders().length === 1)
  const token = fleet.leaders()[0]?.token as number
  await redis.kill()
  await eventually('nobody leads', () => fleet.leaders().length === 0)
  await redis.start() // empty: it knows of no token
  await eventually('there is a leader again', () => fleet.leaders().length === 1)
  expect(fleet.leaders()[0]?.token).toBeGreaterThan(token)
  await fleet.close()
})

it('a leader whose Redis is frozen gives up before another one can lead', async () => {
  const fleet = await startFleet('frozen', 2)
  await eventually('there is a leader', () => fleet.leaders().length === 1)
  redis.freeze()
  await eventually('nobody leads', () => fleet.leaders().length === 0)
  redis.thaw()
  await eventually('there is a leader again', () => fleet.leaders().length === 1)
  await fleet.close()
})

it('without a Redis configured each leads for itself', async () => {
  const lock = new LeaderLock(undefined, 'i', { name: 'n' }, quietLog)
  expect(lock.token).toBeGreaterThan(0)
  await lock.close()
  expect(lock.token).toBeUndefined()
})
