import { directClient } from '../../proxy/facts/client-address.ts'
import type { Facts } from '../../proxy/layer.ts'
import { rateLimit } from '../../proxy/layers/rate-limit.ts'
import { LimitStates } from '../../proxy/state/limits/limit-states.ts'
import { NO_VIOLATIONS } from '../../proxy/state/violations/violation.ts'
import { TestPolicies } from '../../proxy/testing/policies.ts'
import type { MicroCase } from './micro-cases.ts'

const CLIENTS = 10_000

/** What the layer of the rate limits does with requests of 10,000 clients, each in its turn. */
const limitCase = (name: string, limits: Readonly<Record<string, object>>, stepMs: number): MicroCase => {
  const route = { match: { path: '/*' }, limits: Object.keys(limits) }
  const { active } = new TestPolicies({ routes: { all: route }, limits })
  let nowMs = 0
  const clock = { wallMs: () => 0, monotonicMs: () => nowMs }
  const layer = rateLimit({ states: new LimitStates(), exact: undefined, fleet: { size: 1 }, clock }, NO_VIOLATIONS)
  const facts = Array.from({ length: CLIENTS }, (_, index): Facts => {
    const clientAddress = `10.0.${index >> 8}.${index & 255}`
    const peer = directClient(clientAddress)
    return {
      request: {
        method: 'GET',
        target: '/',
        httpVersionMinor: 1,
        rawHeaders: [],
        framing: { isChunked: false, length: 0 },
      },
      ...{ method: 'GET', path: '/', policy: active, route: active.routes.find('GET', '/'), emergency: 'calm' },
      ...{ peer, clientAddress, clientIp: peer.ip },
      rateLimit: undefined,
    } as Facts
  })
  return {
    name,
    run(turn) {
      nowMs += stepMs
      return layer.admit?.(facts[turn % CLIENTS] as Facts)
    },
  }
}

/** One request of each client in ten seconds. */
const STEP_MS = 1

export const limitCases: readonly MicroCase[] = [
  limitCase('rate limit, one, admits', { a: { requests: 60, perSeconds: 60 } }, STEP_MS),
  limitCase('rate limit, one unannounced, admits', { a: { requests: 60, perSeconds: 60, announce: false } }, STEP_MS),
  limitCase('rate limit, one, refuses', { a: { requests: 1, perSeconds: 86_400 } }, 0),
  limitCase(
    'rate limit, three, admit',
    { a: { requests: 60, perSeconds: 60 }, b: { requests: 60, perSeconds: 60 }, c: { requests: 60, perSeconds: 60 } },
    STEP_MS,
  ),
]
