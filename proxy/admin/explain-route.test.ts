import Fastify from 'fastify'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { BlockStore } from '../state/blocks/block-store.ts'
import type { EmergencyState } from '../state/emergency/emergency-state.ts'
import type { Violation } from '../state/violations/violation.ts'
import { TestPolicies } from '../testing/policies.ts'
import type { ViolationsByClient } from './explain.ts'
import { explainRoute } from './explain-route.ts'
import { operations } from './replies.ts'
import { validateByZod } from './request-validation.ts'

const NOW_MS = Date.UTC(2026, 10, 28, 12)
const clock = { wallMs: () => NOW_MS, monotonicMs: () => 0 }

const violation = (path: string): Violation => ({
  ...{ at: '2026-11-28T11:59:00.000Z', kind: 'rate-limited', what: 'limit "l"', method: 'GET', route: 'all', path },
})

/** Answers as the ladder does, and shows which ranges it was asked for. */
const violations: ViolationsByClient = {
  evidence: async (range) => [violation(`/led-to/${range}`)],
  recent: (range) => [violation(`/recent/${range}`)],
  count: (range) => range.length,
}

const explainer = async (
  parts: { violations: ViolationsByClient | undefined; state: EmergencyState | undefined },
  blocking: Record<string, unknown> = {},
) => {
  const blocks = new BlockStore(undefined, pino({ level: 'silent' }), clock)
  const policies = new TestPolicies({
    blocking: { violations: 9, windowSeconds: 30, ...blocking },
    emergency: { violationsFactor: 0.5 },
  })
  const emergency = parts.state === undefined ? undefined : { state: parts.state }
  const admin = Fastify()
  admin.setValidatorCompiler(validateByZod)
  explainRoute(admin, { blocks, policies, violations: parts.violations, emergency }, clock)
  const explain = async (address: string) => {
    const body = (await admin.inject(`/api/explain?address=${address}`)).json()
    expect(operations.explain?.replies[200]?.schema?.safeParse(body).error).toBeUndefined()
    return body
  }
  return { blocks, explain }
}

const order = {
  author: 'sidegate',
  reason: '20 violations',
  sinceMs: NOW_MS - 1_000,
  forgetAtMs: NOW_MS + 9_000,
  count: 1,
}

it('an explanation has what led to each block, and what the client does now', async () => {
  const { blocks, explain } = await explainer({ violations, state: 'emergency' })
  await blocks.block([
    { ...order, range: '2001:db8::/64', source: 'auto', untilMs: NOW_MS + 1_000 },
    { ...order, range: '2001:db8::/48', source: 'auto', untilMs: NOW_MS },
    { ...order, range: '2001:db8::/32', source: 'manual', untilMs: Number.POSITIVE_INFINITY },
  ])
  expect(await explain('2001:db8::7')).toMatchObject({
    ...{ client: '2001:db8::/64', verdict: 'blocked', emergency: 'emergency' },
    blocks: [
      { range: '2001:db8::/32', isHolding: true, until: null, violations: [] },
      { range: '2001:db8::/48', isHolding: false, violations: [{ path: '/led-to/2001:db8::/48' }] },
      { range: '2001:db8::/64', isHolding: true, violations: [{ path: '/led-to/2001:db8::/64' }] },
    ],
    violations: { count: 13, threshold: 5, windowSeconds: 30, recent: [{ path: '/recent/2001:db8::/64' }] },
  })
})

it('an explanation says what is not known', async () => {
  const { explain } = await explainer({ violations: undefined, state: undefined })
  expect(await explain('192.0.2.7')).toMatchObject({ verdict: 'free', emergency: null, violations: null })
})

it.each([
  [{}, 5],
  [{ isAutomatic: false }, null],
  [{ allow: ['192.0.2.0/24'] }, null],
])('with %j it says at how many violations there is a block: %s', async (blocking, threshold) => {
  const { explain } = await explainer({ violations, state: 'emergency' }, blocking)
  expect(await explain('192.0.2.7')).toMatchObject({ violations: { threshold } })
})
