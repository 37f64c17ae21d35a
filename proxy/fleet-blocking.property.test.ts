import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../deploy/local/ports.ts'
import { BlockModel } from './testing/block-model.ts'
import { BlockingFleet } from './testing/blocking-fleet.ts'
import { TestPolicies } from './testing/policies.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

const MEMBERS = 3
const VIOLATIONS = 4
const BLOCK_SECONDS = 600
const DAY_MS = 86_400_000
const SECOND_MS = 1_000

/** Addresses, and as which client each is counted. */
const CLIENTS: Readonly<Record<string, string>> = {
  '198.51.100.7': '198.51.100.7',
  '198.51.100.8': '198.51.100.8',
  '203.0.113.9': '203.0.113.9',
  '2001:db8:0:1::1': '2001:db8:0:1::/64',
  '2001:db8:0:1::2': '2001:db8:0:1::/64',
}
const ADDRESSES = Object.keys(CLIENTS)
const RANGES = [...new Set(Object.values(CLIENTS)), '198.51.100.0/24', '2001:db8::/32']

const policy = (allow: Iterable<string>) => ({
  trustedProxies: { ranges: ['127.0.0.0/8'] },
  routes: { search: { match: { path: '/search' }, limits: ['scarce'] } },
  limits: { scarce: { requests: 1, perSeconds: 86_400, key: { by: 'header', name: 'X-Api-Key' } } },
  blocking: {
    ...{ allow: [...allow], violations: VIOLATIONS, windowSeconds: 86_400 },
    ...{ firstBlockSeconds: BLOCK_SECONDS, growth: 1, longestBlockSeconds: 86_400 },
  },
})

let redis: RedisProcess
let app: TestUpstream
beforeAll(async () => {
  redis = await new RedisProcess(await freePort()).start()
  app = await startUpstream((_request, response) => response.end('ok'))
})
afterAll(async () => {
  await app.close()
  await redis.close()
})

interface Real {
  readonly fleet: BlockingFleet
  readonly policies: TestPolicies
}

const members = Array.from({ length: MEMBERS }, (_, index) => index)

/** Whoever can hear of it has heard of it; then all is as the model says, as clients see it. */
const agree = async (model: BlockModel, { fleet }: Real): Promise<void> => {
  const differing = () =>
    members.flatMap((member) =>
      ADDRESSES.flatMap((address) => {
        const expected = model.expected(member, address)
        const isBlocked = !model.allowed.has(address) && fleet.isBlocked(member, address)
        return expected === 'either' || (expected === 'blocked') === isBlocked ? [] : { member, address, expected }
      }),
    )
  // What shows later alone, as the end of a block, and which one an unblock would end, must have got about as well.
  const heard = (member: number) =>
    RANGES.map((range) => fleet.blocks(member).get(range))
      .filter((block) => block !== undefined && block.untilMs > model.nowMs)
      .map((block) => `${block?.range} until ${block?.untilMs}, ${block?.stamp}`)
  const isOfOneMind = () => new Set(members.map((member) => heard(member).join())).size === 1
  if (model.outage === undefined) {
    const isSettled = () => fleet.isAllTold && isOfOneMind() && differing().length === 0
    await eventually('all is told, and as it should be', isSettled).catch(() =>
      expect({ differing: differing(), isAllTold: fleet.isAllTold, heard: members.map(heard) }).toBe('settled'),
    )
  }
  for (const member of members) {
    for (const address of ADDRESSES) await meet(model, fleet, member, address, '/')
  }
}

/** One request, held against the model. */
const meet = async (model: BlockModel, fleet: BlockingFleet, member: number, address: string, path: string) => {
  const expected = model.expected(member, address)
  const status = await fleet.ask(member, address, path)
  const answers = { blocked: [403], free: [200, 429], either: [200, 403, 429] }
  expect(answers[expected], `${address} at ${member}: ${expected}`).toContain(status)
  return status
}

interface Step {
  toString(): string
  /** What is done; then all is as it should be. */
  run(model: BlockModel, real: Real): Promise<void>
}

const step = (text: string, run: (model: BlockModel, real: Real) => unknown): Step => ({
  toString: () => text,
  async run(model, real) {
    await run(model, real)
    await agree(model, real)
  },
})

/** As many requests as are to be refused by a limit, until there is a block. */
const search = (member: number, address: string, times: number): Step =>
  step(`${address} searches ${times} times at ${member}`, async (model, { fleet }) => {
    const client = CLIENTS[address] as string
    for (let time = 0; time < times; time++) {
      if ((await meet(model, fleet, member, address, '/search')) !== 429) continue
      const verdict = model.refused(member, address, client)
      if (verdict === 'must' || (verdict === 'may' && fleet.isBlocked(member, address))) model.climbed(member, client)
    }
  })

const block = (member: number, range: string, seconds: number): Step =>
  step(`block ${range} for ${seconds} s at ${member}`, async (model, { fleet }) => {
    const sinceMs = model.nowMs
    const untilMs = sinceMs + seconds * SECOND_MS
    const times = { sinceMs, untilMs, forgetAtMs: untilMs + DAY_MS }
    const order = { range, source: 'manual', author: 'alice', reason: 'a test', count: 1, ...times } as const
    await fleet.blocks(member).block([order])
    model.order(member, range, seconds * SECOND_MS)
  })

const unblock = (member: number, range: string): Step =>
  step(`unblock ${range} at ${member}`, async (model, { fleet }) => {
    await fleet.blocks(member).unblock([range])
    model.unblock(member, range)
  })

const pass = (seconds: number): Step =>
  step(`${seconds} s pass`, (model) => {
    model.nowMs += seconds * SECOND_MS
  })

const allow = (address: string): Step =>
  step(`allow ${address}, or no longer`, (model, { policies }) => {
    if (!model.allowed.delete(address)) model.allowed.add(address)
    policies.change(policy(model.allowed))
  })

const restart = (member: number): Step =>
  step(`restart ${member}`, async (model, { fleet }) => {
    await fleet.restart(member, model.outage === undefined)
    model.restart(member)
  })

const lose = (outage: 'killed' | 'frozen'): Step =>
  step(`redis is ${outage}`, async (model, { fleet }) => {
    await fleet.lose(outage)
    model.lose(outage)
  })

const recover: Step = step('redis is back', async (model, { fleet }) => {
  if (model.outage !== undefined) await fleet.recover(model.outage)
  model.recover()
})

const member = fc.constantFrom(...members)
/** Few, so that they are met again and again. */
const address = fc.constantFrom('203.0.113.9', '2001:db8:0:1::1', '2001:db8:0:1::2')
const range = fc.constantFrom(...RANGES)
const long = 3_000
const times = fc.constantFrom(1, VIOLATIONS - 1, 3 * VIOLATIONS)
const anything: fc.Arbitrary<Step[]> = fc.oneof(
  fc.tuple(member, address, times).map((given) => [search(...given)]),
  fc.tuple(member, range, fc.constantFrom(60, long)).map((given) => [block(...given)]),
  fc.tuple(member, range).map((given) => [unblock(...given)]),
  fc.constantFrom(30, 500, 1_000).map((seconds) => [pass(seconds)]),
  fc.constantFrom('198.51.100.8', '2001:db8:0:1::2').map((whose) => [allow(whose)]),
  member.map((by) => [restart(by)]),
  // Who is let in again.
  fc
    .tuple(member, member, member, address)
    .map(([first, by, next, whose]) => [
      search(first, whose, 3 * VIOLATIONS),
      unblock(by, CLIENTS[whose] as string),
      search(next, whose, 1),
    ]),
)
const few = fc.array(anything, { minLength: 1, maxLength: 4, size: 'max' }).map((parts) => parts.flat())
/** Of one block two members think differently, and cannot hear one another. */
const dispute = fc.tuple(member, member, range, fc.boolean()).map(([one, other, disputed, isLater]) => {
  const both = [unblock(one, disputed), block(other, disputed, long)]
  return { before: block(one, disputed, long), meanwhile: isLater ? both : both.toReversed() }
})
/** What was told meanwhile, and what was not, shows to who is started afterwards. */
const outage = fc
  .tuple(fc.constantFrom('killed' as const, 'frozen' as const), dispute, few, fc.subarray(members))
  .map(([kind, { before, meanwhile }, more, restarted]) => [
    ...[before, lose(kind), ...meanwhile, ...more, recover, ...restarted.map(restart)],
  ])
const history = fc.tuple(few, outage, few, outage).map((parts) => parts.flat())

describe('Property 7: IP Blocking Enforcement, by a fleet that counts violations together', () => {
  it('who is blocked gets 403 on every instance until it ends, and nobody else does', async () => {
    let runs = 0
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        // A day of which no window's edge is met; that of Redis is earlier, so that it forgets nothing.
        const startMs = Math.ceil(Date.now() / DAY_MS) * DAY_MS
        const model = new BlockModel(MEMBERS, startMs, {
          violations: VIOLATIONS,
          leastBlockMs: 0.9 * BLOCK_SECONDS * SECOND_MS,
          mostBlockMs: 1.1 * BLOCK_SECONDS * SECOND_MS,
        })
        const clock = { wallMs: () => model.nowMs, monotonicMs: () => model.nowMs }
        const policies = new TestPolicies(policy([]))
        const service = `property-7-${runs++}`
        const fleet = await BlockingFleet.start(MEMBERS, { redis, upstreamUrl: app.url, policies, clock, service })
        try {
          for (const one of steps) await one.run(model, { fleet, policies })
        } finally {
          if (model.outage !== undefined) await fleet.recover(model.outage)
          await fleet.close()
        }
      }),
      { numRuns: 8, endOnFailure: true },
    )
  }, 600_000)
})
