import { expect, test } from 'vitest'
import { parseH2loadLog, steadyRate } from './h2load.ts'

const START_MICROS = 1_795_387_577_508_245

const line = (atMs: number, status: number, micros: number) => `${START_MICROS + atMs * 1_000}\t${status}\t${micros}`

test('what begins before the window or after it is not counted', () => {
  // In the order of their ends, as h2load writes them: the first to begin need not be the first line.
  const log = [
    line(500, 200, 90),
    line(0, 200, 9_000_000),
    line(1_000, 200, 100),
    line(1_999, 200, 300),
    line(2_000, 500, 7),
  ]
  expect(parseH2loadLog(`${log.join('\n')}\n`, 1_000, 2_000)).toEqual({
    requests: 2,
    failures: 0,
    p50Micros: 100,
    p99Micros: 300,
  })
})

test('a reply outside 2xx is a failure, and so is none', () => {
  const log = [line(0, 200, 1), line(1, 503, 1), line(2, -1, 1), line(3, 304, 1)]
  expect(parseH2loadLog(log.join('\n'), 0, 10)).toMatchObject({ requests: 4, failures: 3 })
})

test('a rate is that of so many clients', () => {
  expect(steadyRate(9_700)).toBe(9_700)
  expect(steadyRate(9_740)).toBe(9_700)
  expect(steadyRate(1)).toBe(97)
})
