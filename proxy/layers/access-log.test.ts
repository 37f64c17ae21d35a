import { pino } from 'pino'
import { expect, it } from 'vitest'
import type { Exchange } from '../exchange.ts'
import type { Outcome } from '../outcome.ts'
import { refusal } from '../refusal.ts'
import { accessLog } from './access-log.ts'

it('a line is short however long a path and a method are', () => {
  const lines: string[] = []
  const layer = accessLog(pino({}, { write: (line) => void lines.push(line) }), 'errors')
  const exchange = {
    ...{ method: 'M'.repeat(10_000), path: `/${'p'.repeat(10_000)}`, clientAddress: '192.0.2.7', route: undefined },
    ...{
      correlation: { requestId: 'id', trace: { traceId: 't' } },
      policy: { version: 1 },
      peer: { address: '192.0.2.7' },
    },
  } as unknown as Exchange
  const outcome: Outcome = {
    ...{ kind: 'refused', status: 429, refusal: refusal('rate-limited', 'limit "l"'), durationMs: 1, bodyBytes: 1 },
  }
  layer.onFinish?.(exchange, outcome)
  const [line = ''] = lines
  expect(JSON.parse(line)).toMatchObject({
    method: `${'M'.repeat(32)}…`,
    path: `/${'p'.repeat(1_023)}…`,
    msg: `${'M'.repeat(32)}… /${'p'.repeat(99)}… 429`,
  })
})
