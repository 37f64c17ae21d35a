import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FailedAttempts } from './failed-attempts.ts'

class TestClock {
  nowMs = 1_000_000
  wallMs = () => this.nowMs
  monotonicMs = () => this.nowMs
}

describe('wrong tokens', () => {
  it('make an address wait after ten, until a minute after the first', () => {
    const clock = new TestClock()
    const failures = new FailedAttempts(clock)
    const isLast = Array.from({ length: 10 }, () => failures.failed('a'))
    expect(isLast).toEqual([...Array(9).fill(false), true])
    expect(failures.waitMs('a')).toBe(60_000)
    expect(failures.waitMs('b')).toBe(0)
    clock.nowMs += 59_999
    expect(failures.waitMs('a')).toBe(1)
    clock.nowMs += 1
    expect(failures.waitMs('a')).toBe(0)
    expect(failures.failed('a')).toBe(false)
  })

  it('are never looked at more often than twice ten times in any minute, whoever else tries', () => {
    const tries = fc.array(fc.record({ address: fc.constantFrom('a', 'b', 'c'), afterMs: fc.nat(20_000) }), {
      maxLength: 300,
    })
    fc.assert(
      fc.property(tries, (attempts) => {
        const clock = new TestClock()
        const failures = new FailedAttempts(clock)
        const looked = new Map<string, number[]>()
        for (const { address, afterMs } of attempts) {
          clock.nowMs += afterMs
          if (failures.waitMs(address) > 0) continue
          failures.failed(address)
          looked.set(address, [...(looked.get(address) ?? []), clock.nowMs])
        }
        // A window begins with its first attempt, so that any minute touches two.
        for (const times of looked.values()) {
          for (const [index, at] of times.entries()) {
            expect(times.slice(index).filter((other) => other - at < 60_000).length).toBeLessThanOrEqual(20)
          }
        }
      }),
    )
  })

  it('of very many addresses are remembered in bounded memory, the latest of them', () => {
    const clock = new TestClock()
    const failures = new FailedAttempts(clock)
    for (let address = 0; address < 50_000; address++) {
      for (let i = 0; i < 10; i++) failures.failed(String(address))
    }
    expect(failures.waitMs('49999')).toBeGreaterThan(0)
    expect(failures.waitMs('0')).toBe(0)
  })
})
