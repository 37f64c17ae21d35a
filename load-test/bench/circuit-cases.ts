import { pino } from 'pino'
import type { Exchange } from '../../proxy/exchange.ts'
import { circuitBreaker } from '../../proxy/layers/circuit-breaker.ts'
import type { Outcome } from '../../proxy/outcome.ts'
import { Circuits } from '../../proxy/state/circuits/circuits.ts'
import { TestPolicies } from '../../proxy/testing/policies.ts'
import type { MicroCase } from './micro-cases.ts'

const exchange = {
  operation: new TestPolicies({}).active.operations.find('GET', undefined),
  ...{ method: 'GET', route: undefined, circuit: undefined, circuitTicket: 0, circuitSuccess: 0 },
} as unknown as Exchange
const head = { status: 200, statusText: 'OK', headers: [] }
const outcome: Outcome = { kind: 'replied', status: 200, refusal: undefined, durationMs: 1, bodyBytes: 2 }

/** All that the layer of the circuits does with one request. @param order what its circuit is told before */
const circuitCase = (name: string, order: 'auto' | 'open'): MicroCase => {
  let nowMs = 0
  const clock = { wallMs: () => 0, monotonicMs: () => nowMs }
  const circuits = new Circuits(
    new TestPolicies({}),
    { connectTimeoutMs: 2_000, headersTimeoutMs: 30_000 },
    clock,
    Math.random,
    pino({ level: 'silent' }),
  )
  circuits.order('read', order)
  const layer = circuitBreaker(circuits)
  return {
    name,
    run(turn) {
      if (turn % 100 === 0) nowMs++ // a hundred thousand requests a second
      const verdict = layer.admit?.(exchange)
      if (exchange.circuit !== undefined) {
        layer.onReply?.(exchange, head)
        layer.onFinish?.(exchange, outcome)
      }
      return verdict ?? turn
    },
  }
}

export const circuitCases: readonly MicroCase[] = [
  circuitCase('circuit, closed: a request and its reply', 'auto'),
  circuitCase('circuit, open: a refusal', 'open'),
]
