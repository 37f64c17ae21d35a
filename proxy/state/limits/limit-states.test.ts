import { expect, it } from 'vitest'
import { TestPolicies } from '../../testing/policies.ts'
import type { CompiledLimit, CompiledPolicy } from '../policy/compile.ts'
import { claimOf, longestPeriodMs } from './claim.ts'
import { LimitStates } from './limit-states.ts'

const limits = { a: { requests: 2, perSeconds: 60, keysLimit: 1_000 }, b: { requests: 2, perSeconds: 60 } }

/** Whether one more request of a client is admitted by a limit; if so it counts. */
const admits = (states: LimitStates, policy: CompiledPolicy, key: string, name = 'a', nowMs = 0): boolean => {
  const limit = policy.limits.get(name) as CompiledLimit
  const state = states.of(policy, limit, nowMs)
  const bucket = state.buckets.get(key, nowMs, limit, longestPeriodMs(limit, 1))
  const claim = claimOf(limit, state, bucket, true, { isCalm: true, fleetSize: 1, nowMs })
  if (claim.waitMs > 0) return false
  states.charge(claim, nowMs)
  return true
}

it('of a million clients no more are remembered than the limit says', () => {
  const { active } = new TestPolicies({ limits })
  const states = new LimitStates()
  for (let index = 0; index < 1_000_000; index++) admits(states, active, `client-${index}`)
  expect(states.size).toBeGreaterThanOrEqual(500)
  expect(states.size).toBeLessThanOrEqual(1_000)
})

it('what was used of a limit that a policy has no more is forgotten', () => {
  const policies = new TestPolicies({ limits })
  const states = new LimitStates()
  admits(states, policies.active, 'one', 'a')
  admits(states, policies.active, 'one', 'b')
  expect(states.size).toBe(2)
  policies.change({ limits: { b: limits.b } })
  admits(states, policies.active, 'one', 'b')
  expect(states.size).toBe(1)
})

it('of clients that have rested nothing is remembered', () => {
  const { active } = new TestPolicies({ limits })
  const states = new LimitStates()
  for (let index = 0; index < 100; index++) admits(states, active, `client-${index}`)
  expect(states.size).toBe(100)
  for (const nowMs of [60_000, 120_000]) admits(states, active, 'another', 'a', nowMs)
  expect(states.size).toBe(2) // one client, in either generation
})

it('one beside it begins with what has been used, and then goes its own way', () => {
  const { active } = new TestPolicies({ limits })
  const states = new LimitStates()
  admits(states, active, 'one')
  const beside = states.beside()
  expect([admits(beside, active, 'one'), admits(beside, active, 'one')]).toEqual([true, false])
  expect([admits(states, active, 'one'), admits(states, active, 'one')]).toEqual([true, false])
})
