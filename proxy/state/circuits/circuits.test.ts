import { describe, expect, it } from 'vitest'
import type { Logger } from '#shared/log.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { REFUSED } from './circuit-breaker.ts'
import { Circuits } from './circuits.ts'

const EXPORT = { operations: { export: {} }, breaker: { consecutiveFailures: 2 } }
const NOTHING = {}
const WALL_MS = Date.parse('2026-11-28T12:00:00Z')

const startCircuits = (policy: object = EXPORT) => {
  const time = { ms: 1_000_000 }
  const clock = { monotonicMs: () => time.ms, wallMs: () => WALL_MS + time.ms - 1_000_000 }
  const policies = new TestPolicies(policy)
  const said: string[] = []
  const say = (_fields: object, message: string) => void said.push(message)
  const log = { info: say, warn: say } as unknown as Logger
  const circuits = new Circuits(policies, { connectTimeoutMs: 1_000, headersTimeoutMs: 1_000 }, clock, () => 0, log)
  const admits = () => circuits.of('export')?.admit(time.ms) !== REFUSED
  const how = () => {
    const report = circuits.reports().find(({ name }) => name === 'export')
    return report === undefined ? 'not watched' : `${report.state} ${report.mode}`
  }
  return { circuits, policies, time, said, admits, how }
}

describe('an order', () => {
  it('holds on when the policy has not watched its operation for a while', () => {
    const { circuits, policies, admits, how } = startCircuits()
    expect(circuits.order('export', 'open')).toBe(true)
    policies.change(NOTHING)
    expect(how()).toBe('not watched')
    policies.change(EXPORT)
    expect([admits(), how()]).toEqual([false, 'open open'])
    circuits.order('export', 'reset')
    policies.change(NOTHING)
    expect(how()).toBe('not watched')
    policies.change(EXPORT)
    expect([admits(), how()]).toEqual([true, 'closed auto'])
  })

  it('is none for what is not watched, unless others have found it to be', () => {
    const { circuits, policies, how } = startCircuits(NOTHING)
    expect(circuits.order('export', 'open')).toBe(false)
    policies.change(EXPORT)
    expect(how()).toBe('closed auto')
    policies.change(NOTHING)
    expect(how()).toBe('not watched')
    circuits.obey('export', 'open')
    policies.change(EXPORT)
    expect(how()).toBe('open open')
  })

  it('ends by itself after its seconds: what was open is probed, what was closed is watched again', () => {
    const { circuits, time, admits, how } = startCircuits()
    circuits.order('export', 'open', 60)
    expect(circuits.reports().find(({ name }) => name === 'export')?.until).toBe('2026-11-28T12:01:00.000Z')
    circuits.order('read', 'closed', 61)
    time.ms += 59_999
    expect([admits(), how()]).toEqual([false, 'open open'])
    time.ms += 1
    expect([admits(), how()]).toEqual([true, 'half-open auto'])
    const modes = () => circuits.reports().map(({ name, mode, until }) => [name, mode, until])
    expect(modes()).toContainEqual(['read', 'closed', '2026-11-28T12:01:01.000Z'])
    time.ms += 1_000
    expect(modes()).toContainEqual(['read', 'auto', undefined])
  })

  it('ends while its operation is not watched, too', () => {
    const { circuits, policies, time, how } = startCircuits()
    circuits.order('export', 'open', 60)
    policies.change(NOTHING)
    expect(how()).toBe('not watched')
    time.ms += 60_000
    policies.change(EXPORT)
    expect(how()).toBe('closed auto')
  })

  it.each(['open', 'closed', 'auto', 'reset'] as const)('that says %s takes the place of one with an end', (order) => {
    const { circuits, time, how } = startCircuits()
    circuits.order('export', 'open', 60)
    circuits.order('export', order)
    const before = how()
    time.ms += 120_000
    expect(how()).toBe(before)
  })
})

it('a circuit that is watched no more says nothing when its last requests fail', () => {
  const { circuits, policies, time, said } = startCircuits()
  const circuit = circuits.of('export')
  const tickets = [1, 2].map(() => circuit?.admit(time.ms) as number)
  policies.change(NOTHING)
  circuits.of('export')
  for (const ticket of tickets) circuit?.failed(ticket, time.ms)
  expect(circuit?.standing.state).toBe('open')
  expect(said).toEqual([])
})
