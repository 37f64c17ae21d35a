import { describe, expect, it } from 'vitest'
import { defaultPolicy } from '../policy/read.ts'
import { inWords, pressureOf, readings, type Signals } from './pressure.ts'

const { emergency } = defaultPolicy()
const NONE: Signals = { violationsPerSecond: 0, requests: 0, errorShare: 0, busyShare: 0, queueShare: 0 }
const of = (signals: Partial<Signals>) => readings({ ...NONE, ...signals }, emergency)

describe('the pressure', () => {
  it.each<[Partial<Signals>, string]>([
    [{}, 'low'],
    [{ violationsPerSecond: 100 }, 'between'],
    [{ violationsPerSecond: 100.1 }, 'high'],
    [{ violationsPerSecond: 50 }, 'low'],
    [{ violationsPerSecond: 50.1 }, 'between'],
    [{ requests: 200, errorShare: 0.26 }, 'high'],
    [{ requests: 199, errorShare: 1 }, 'low'],
    [{ requests: 1_000, errorShare: 0.2 }, 'between'],
    [{ busyShare: 0.96 }, 'high'],
    [{ queueShare: 0.96 }, 'high'],
    [{ busyShare: 0.5 }, 'between'],
    [{ violationsPerSecond: 200, busyShare: 0.1 }, 'high'],
  ])('of %j is %s', (signals, pressure) => {
    expect(pressureOf(of(signals))).toBe(pressure)
  })

  it('is low where all is at nothing, and nothing is tolerated', () => {
    const policy = { ...emergency, recoverAtShare: 0, errorShare: 0 }
    expect(pressureOf(readings(NONE, policy))).toBe('low')
  })

  it('is told by what is high, and else by all', () => {
    expect(inWords(of({ violationsPerSecond: 123.4567, busyShare: 0.5 }))).toBe(
      'violationsPerSecond 123.457 (enters above 100)',
    )
    expect(inWords(of({})).split(', ')).toHaveLength(4)
  })
})
