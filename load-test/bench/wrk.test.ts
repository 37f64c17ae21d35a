import { expect, test } from 'vitest'
import { REQUEST_HEADERS } from './request.ts'
import { errorCount, parseWrk, requestRate, wrkScript } from './wrk.ts'

const OUTPUT = [
  'Running 4s test @ http://127.0.0.1:20000/small',
  '  1 threads and 32 connections',
  '  Thread Stats   Avg      Stdev     Max   +/- Stdev',
  '  32000 requests in 4.00s, 12.00MB read',
  'Requests/sec:   8000.00',
  '{"requests":32000,"durationMicros":4000000,"bytes":12582912,"errors":{"connect":0,"read":3,"write":0,"status":2,"timeout":1},"latencyMicros":{"p50":3900,"p90":5000,"p99":9100,"max":40000}}',
]

test('the line of the script is found among those for people', () => {
  const result = parseWrk(OUTPUT)
  expect(requestRate(result)).toBe(8_000)
  expect(errorCount(result)).toBe(6)
  expect(result.latencyMicros.p99).toBe(9_100)
})

test('a run without that line is an error, which holds what wrk said', () => {
  expect(() => parseWrk(['unable to connect to 127.0.0.1:1 Connection refused'])).toThrow('Connection refused')
})

test('every load sends the same fields, about a kilobyte of them', () => {
  const bytes = REQUEST_HEADERS.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
  expect(bytes).toBeGreaterThan(900)
  expect(bytes).toBeLessThan(1_200)
  for (const script of [wrkScript({}), wrkScript({ closes: true }), wrkScript({ uploadBytes: 65_536 })]) {
    for (const [name, value] of REQUEST_HEADERS) expect(script).toContain(`wrk.headers["${name}"] = "${value}"`)
  }
  expect(wrkScript({ closes: true })).toContain('wrk.headers["Connection"] = "close"')
  expect(wrkScript({ uploadBytes: 65_536 })).toContain('wrk.body = string.rep("x", 65536)')
})
