import { describe, expect, it } from 'vitest'
import { Bucket } from './bucket.ts'

const rate = { emissionMs: 10, capacityMs: 100 }

describe('a bucket', () => {
  it('moves on with each request, from now where it has rested', () => {
    const bucket = new Bucket('a', 0, 100)
    bucket.charge(rate, 1_000)
    bucket.charge(rate, 1_000)
    expect(bucket.arrivalMs).toBe(1_020)
    bucket.charge(rate, 5_000)
    expect(bucket.arrivalMs).toBe(5_010)
  })

  it('that was filled under a limit of more capacity is used up under one of less, and no debt', () => {
    const bucket = new Bucket('a', 9_000, 10_000)
    bucket.obey(10_000, 0)
    expect(bucket.arrivalMs).toBe(9_000)
    bucket.obey(100, 0)
    expect(bucket.arrivalMs).toBe(100)
    bucket.obey(10_000, 0)
    expect(bucket.arrivalMs).toBe(100)
  })

  it('hears what is more than it knows, and forgets nothing', () => {
    const bucket = new Bucket('a', 0, 100)
    bucket.hear(50, 0)
    bucket.hear(30, 0)
    expect(bucket.arrivalMs).toBe(50)
    bucket.untoldMs = 10 // not in what the fleet knows
    bucket.hear(60, 0)
    expect(bucket.arrivalMs).toBe(70)
  })

  it('beside another takes over what that has heard, once, and not what that has counted itself', () => {
    const [one, beside] = [new Bucket('a', 0, 100), new Bucket('a', 0, 100)]
    one.charge(rate, 0)
    one.hear(40, 0) // 30 of others
    beside.hearFrom(one)
    beside.hearFrom(one)
    expect(beside.arrivalMs).toBe(30)
    one.hear(90, 60) // 30 of others, after a rest
    beside.hearFrom(one)
    expect(beside.arrivalMs).toBe(90)
  })

  it('is in one of 64 slots, which are used alike', () => {
    const slots = Array.from(
      { length: 6_400 },
      (_, index) => new Bucket(`10.0.${index >> 8}.${index & 255}`, 0, 1).slot,
    )
    const sizes = [...Map.groupBy(slots, (slot) => slot).values()].map(({ length }) => length)
    expect(sizes).toHaveLength(64)
    expect(Math.max(...sizes)).toBeLessThan(200)
  })
})
