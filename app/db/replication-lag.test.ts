import { expect, test } from 'vitest'
import { isWithin, ReplicationLag } from './replication-lag.ts'

test('a replica that has replayed all that the primary wrote is not behind, however long nothing is written', () => {
  const lag = new ReplicationLag()
  expect(lag.observe(1_000n, 1_000n, 0)).toEqual({ ms: 0, bytes: 0 })
  expect(lag.observe(1_000n, 1_000n, 86_400_000)).toEqual({ ms: 0, bytes: 0 })
})

test('the lag lasts from the first position that the replica has not replayed', () => {
  const lag = new ReplicationLag()
  lag.observe(1_000n, 1_000n, 0)
  expect(lag.observe(1_500n, 1_000n, 100)).toEqual({ ms: 0, bytes: 500 })
  expect(lag.observe(9_000n, 1_200n, 700)).toEqual({ ms: 600, bytes: 7_800 })
})

test('a replica that keeps up with a busy primary is behind by no more than the pause between two looks', () => {
  const lag = new ReplicationLag()
  lag.observe(1_000n, 900n, 0)
  for (let look = 1; look < 100; look++) {
    const { ms } = lag.observe(BigInt(1_000 + look * 100), BigInt(900 + look * 100), look * 1_000)
    expect(ms).toBe(0)
  }
})

test('a primary that is gone leaves a replica that had everything where it was', () => {
  const lag = new ReplicationLag()
  lag.observe(1_000n, 400n, 0)
  expect(lag.observe(1_000n, 1_000n, 50)).toEqual({ ms: 0, bytes: 0 })
  expect(lag.observe(1_000n, 1_000n, 600_000)).toEqual({ ms: 0, bytes: 0 })
})

test('either limit alone excludes a replica', () => {
  const limits = { lagLimitMs: 100, lagLimitBytes: 1_000 }
  expect(isWithin({ ms: 100, bytes: 1_000 }, limits)).toBe(true)
  expect(isWithin({ ms: 101, bytes: 0 }, limits)).toBe(false)
  expect(isWithin({ ms: 0, bytes: 1_001 }, limits)).toBe(false)
})
