import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { connectedGuard, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { type IpAddress, parseAddress } from '../../facts/ip-address.ts'
import type { Facts } from '../../layer.ts'
import { BlockStore } from '../blocks/block-store.ts'
import type { EmergencyState } from '../emergency/emergency-state.ts'
import { compilePolicy } from '../policy/compile.ts'
import { readPolicy } from '../policy/read.ts'
import { Evidence } from './evidence.ts'
import { Violations } from './violations.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const policyOf = (document: unknown) => {
  const reading = readPolicy(document)
  if (reading.kind === 'bad') throw new Error(JSON.stringify(reading.problems))
  return compilePolicy(1, reading.policy)
}

const five = { blocking: { violations: 5, windowSeconds: 60, firstBlockSeconds: 100, forgetAfterSeconds: 1_000 } }

const start = (document: unknown = five, redis?: RedisGuard, log: Logger = quietLog) => {
  let nowMs = 1_800_000_000_000
  const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  const blocks = new BlockStore(redis, quietLog, clock)
  const violations = new Violations(redis, `i${Math.random()}`, blocks, log, clock, () => 0.5)
  closing.push(() => {
    blocks.close()
    return violations.close()
  })
  const policy = policyOf(document)
  const record = (address: string, times = 1, emergency: EmergencyState = 'calm') => {
    const clientIp = parseAddress(address)
    const facts = { clientIp, policy, emergency, method: 'GET', path: '/search', route: undefined } as unknown as Facts
    for (let time = 0; time < times; time++) violations.record(facts, 'rate-limited', 'limit "l" by client-address')
  }
  const isBlocked = (address: string) => blocks.isBlocked(parseAddress(address) as IpAddress)
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { blocks, violations, policy, record, isBlocked, pass }
}

/** All that may be forgotten has been. */
const swept = async (blocks: BlockStore): Promise<void> => {
  const range = '192.0.2.99'
  const times = { sinceMs: 0, untilMs: 0, forgetAtMs: 0 }
  await blocks.block([{ range, source: 'manual', author: 'alice', reason: '', count: 1, ...times }])
  await eventually('it is swept', () => blocks.get(range) === undefined)
}

describe('a client', () => {
  it('is blocked at so many violations within the window, and not before', () => {
    const { record, isBlocked, blocks } = start()
    record('192.0.2.7', 4)
    expect(isBlocked('192.0.2.7')).toBe(false)
    record('192.0.2.7')
    expect([isBlocked('192.0.2.7'), isBlocked('192.0.2.8')]).toEqual([true, false])
    expect(blocks.get('192.0.2.7')).toMatchObject({
      ...{ source: 'auto', author: 'sidegate', reason: '5 violations in 60 s', count: 1 },
      ...{ untilMs: 1_800_000_100_000, forgetAtMs: 1_800_001_100_000 },
    })
  })

  it('of IPv6 is its whole prefix', () => {
    const { record, isBlocked } = start()
    for (let host = 1; host <= 5; host++) record(`2001:db8:0:7::${host}`)
    expect([isBlocked('2001:db8:0:7::99'), isBlocked('2001:db8:0:8::1')]).toEqual([true, false])
  })

  it('whose violations are spread over a longer time is not blocked', () => {
    const { record, isBlocked, pass } = start()
    for (let time = 0; time < 40; time++) {
      record('192.0.2.7')
      pass(20_000) // three in a window
    }
    expect(isBlocked('192.0.2.7')).toBe(false)
  })

  it('whose violations lie on both sides of a window’s edge is', () => {
    const { record, isBlocked, pass } = start()
    pass(59_000)
    record('192.0.2.7', 3)
    pass(2_000)
    record('192.0.2.7', 3)
    expect(isBlocked('192.0.2.7')).toBe(true)
  })

  it('is blocked for longer when it goes on afterwards, and does not begin with what it was blocked for', () => {
    const { record, isBlocked, blocks, pass } = start()
    record('192.0.2.7', 5)
    pass(100_001)
    record('192.0.2.7', 4)
    expect(isBlocked('192.0.2.7')).toBe(false)
    record('192.0.2.7')
    expect(blocks.get('192.0.2.7')).toMatchObject({ count: 2, untilMs: 1_800_000_100_001 + 200_000 })
  })

  it('that an operator lets in again does not begin with what it was blocked for', async () => {
    const { record, isBlocked, blocks } = start()
    record('192.0.2.7', 5)
    await blocks.unblock(['192.0.2.7'])
    record('192.0.2.7', 4)
    expect(isBlocked('192.0.2.7')).toBe(false)
    record('192.0.2.7')
    expect(isBlocked('192.0.2.7')).toBe(true)
  })

  it('whose block is forgotten within the window does not begin with what it was blocked for, either', async () => {
    const short = { violations: 5, windowSeconds: 3_600, firstBlockSeconds: 10, forgetAfterSeconds: 10 }
    const { record, isBlocked, blocks, pass } = start({ blocking: short })
    await blocks.open()
    record('192.0.2.7', 5)
    pass(60_000)
    await swept(blocks)
    record('192.0.2.7', 4)
    expect(isBlocked('192.0.2.7')).toBe(false)
    record('192.0.2.7')
    expect(blocks.get('192.0.2.7')?.count).toBe(1)
  })

  it('that is blocked collects nothing meanwhile', () => {
    const { record, violations, policy } = start()
    record('192.0.2.7', 500)
    expect([violations.blocked, violations.count('192.0.2.7', policy)]).toEqual([1, 0])
  })

  it('is blocked sooner in an emergency, and at one violation at the soonest', () => {
    const { record, isBlocked } = start()
    record('192.0.2.7', 2, 'emergency')
    expect(isBlocked('192.0.2.7')).toBe(false) // half of five is more than two
    record('192.0.2.7', 1, 'emergency')
    expect(isBlocked('192.0.2.7')).toBe(true)
    const strict = start({ blocking: { violations: 1 } })
    strict.record('192.0.2.7', 1, 'recovering')
    expect(strict.isBlocked('192.0.2.7')).toBe(true)
  })
})

it('who is half way to a block is suspicious, and who was blocked; not who has been let in again', async () => {
  const { record, blocks, violations, policy, pass } = start()
  const isSuspicious = (address: string) =>
    violations.isSuspicious({ clientIp: parseAddress(address), policy } as unknown as Facts)
  record('192.0.2.7', 2)
  expect(isSuspicious('192.0.2.7')).toBe(false)
  record('192.0.2.7')
  expect([isSuspicious('192.0.2.7'), isSuspicious('192.0.2.8')]).toEqual([true, false])
  pass(60_000)
  expect(isSuspicious('192.0.2.7')).toBe(false)
  record('192.0.2.7', 5)
  pass(100_001)
  expect([blocks.isBlocked(parseAddress('192.0.2.7') as IpAddress), isSuspicious('192.0.2.7')]).toEqual([false, true])
  await blocks.unblock(['192.0.2.7'])
  expect(isSuspicious('192.0.2.7')).toBe(false)
})

describe('nobody is blocked by itself', () => {
  it.each([
    ['who is in the allow-list', '198.51.100.7'],
    ['who is a trusted proxy', '203.0.113.7'],
    ['on this machine', '127.0.0.1'],
    ['on this machine, by IPv6', '::1'],
  ])('%s', (_who, address) => {
    const { record, isBlocked } = start({
      blocking: { violations: 1, allow: ['198.51.100.0/24'] },
      trustedProxies: { ranges: ['203.0.113.0/24'] },
    })
    record(address, 100)
    expect(isBlocked(address)).toBe(false)
  })

  it('where the policy says so', () => {
    const { record, isBlocked } = start({ blocking: { violations: 1, isAutomatic: false } })
    record('192.0.2.7', 100)
    expect(isBlocked('192.0.2.7')).toBe(false)
  })
})

it('what led to a block is kept beside it, and what has not led to one yet is known', async () => {
  const { record, violations } = start()
  record('192.0.2.7', 3)
  expect(violations.recent('192.0.2.7')).toHaveLength(3)
  record('192.0.2.7', 2)
  expect(violations.recent('192.0.2.7')).toEqual([])
  const evidence = await violations.evidence('192.0.2.7')
  expect(evidence).toHaveLength(5)
  expect(evidence[0]).toEqual({
    ...{ at: '2027-01-15T08:00:00.000Z', kind: 'rate-limited', what: 'limit "l" by client-address' },
    ...{ method: 'GET', path: '/search' },
  })
})

it('the violations of a fleet add up, and what led to a block is known to all', async () => {
  const redis = await new RedisProcess(await freePort()).start()
  closing.push(() => redis.close())
  const join = async () => {
    const guard = await connectedGuard(singleTarget(redis.port), 'violations')
    closing.push(() => guard.close())
    return start(five, guard)
  }
  const [one, two] = [await join(), await join()]
  one.record('192.0.2.7', 2)
  two.record('192.0.2.7', 2)
  await eventually('each knows of both', () =>
    [one, two].every(({ violations, policy }) => violations.count('192.0.2.7', policy) === 4),
  )
  expect(one.isBlocked('192.0.2.7')).toBe(false)
  two.record('192.0.2.7')
  expect(two.isBlocked('192.0.2.7')).toBe(true)
  await eventually(
    'the other may know what led there',
    async () => (await one.violations.evidence('192.0.2.7')).length === 3,
  )
})

it('a block is one line of the log, however many requests come', () => {
  const lines: { readonly msg: string }[] = []
  const log = pino({}, { write: (line) => void lines.push(JSON.parse(line)) })
  const { record } = start(five, undefined, log)
  record('192.0.2.7', 500)
  expect(lines).toMatchObject([{ msg: 'client blocked', block: '192.0.2.7', inARow: 1, violations: 5 }])
})

describe('what is remembered is bounded', () => {
  const violation = (what: string) => ({ at: '', kind: 'rate-limited' as const, what, method: 'GET', path: '/' })

  it('to the last five of a client', () => {
    const evidence = new Evidence(undefined)
    for (let time = 0; time < 25; time++) evidence.add('a', violation(`${time}`))
    const last = Array.from({ length: 5 }, (_, index) => `${index + 20}`)
    expect(evidence.recent('a').map(({ what }) => what)).toEqual(last)
  })

  it('to the clients that were heard of last', () => {
    const evidence = new Evidence(undefined)
    for (let client = 0; client < 15_000; client++) evidence.add(`${client}`, violation(''))
    evidence.add('0', violation('')) // is younger than 1 now
    for (let client = 15_000; client < 24_999; client++) evidence.add(`${client}`, violation(''))
    expect(['0', '1', '15000'].map((client) => evidence.recent(client).length)).toEqual([2, 0, 1])
  })

  it('to a part of what a client can make as long as it likes', () => {
    const evidence = new Evidence(undefined)
    evidence.add('a', { ...violation(''), method: 'M'.repeat(5_000), path: '/'.repeat(5_000) })
    const [{ method, path } = violation('')] = evidence.recent('a')
    expect([method.length, path.length]).toEqual([32, 200])
  })

  it('to the suspects that came last', () => {
    const { record, violations, policy } = start({ blocking: { violations: 2 } })
    const address = (index: number) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
    for (let index = 0; index <= 200_000; index++) record(address(index))
    const isSuspicious = (index: number) =>
      violations.isSuspicious({ clientIp: parseAddress(address(index)), policy } as unknown as Facts)
    expect([0, 100_001, 200_000].map(isSuspicious)).toEqual([false, true, true])
  })

  it('to what has led to the first thousand blocks of a flood, and to ten more in each second', async () => {
    let nowMs = 0
    const evidence = new Evidence(undefined, { wallMs: () => nowMs, monotonicMs: () => nowMs })
    const keep = (client: string) => {
      evidence.add(client, violation(''))
      evidence.keep(client, 60_000)
    }
    for (let client = 0; client < 1_500; client++) keep(`${client}`)
    nowMs = 1_000
    for (let client = 2_000; client < 2_020; client++) keep(`${client}`)
    const kept = async (from: number, to: number) => {
      let count = 0
      for (let client = from; client < to; client++) count += (await evidence.of(`${client}`)).length
      return count
    }
    expect([await kept(0, 1_000), await kept(1_000, 1_500), await kept(2_000, 2_020)]).toEqual([1_000, 0, 10])
    nowMs = 60_000 + 3_600_000 - 1
    expect(await kept(0, 1_000)).toBe(1_000)
    nowMs = 60_000 + 3_600_000
    expect(await kept(0, 1_000)).toBe(0)
  })

  it('to so many blocks, of which there is one line of the log', async () => {
    const lines: { readonly msg: string }[] = []
    const log = pino({}, { write: (line) => void lines.push(JSON.parse(line)) })
    const { record, violations, blocks } = start({ blocking: { violations: 2, automaticLimit: 3 } }, undefined, log)
    const isFull = ({ msg }: { readonly msg: string }) => msg.startsWith('there are too many blocks')
    for (let client = 1; client <= 9; client++) record(`192.0.2.${client}`, 2)
    expect([blocks.size, violations.blocked, violations.unmade, lines.filter(isFull).length]).toEqual([3, 3, 6, 1])
    await blocks.unblock(['192.0.2.1'])
    record('192.0.2.9')
    record('192.0.2.10', 2)
    expect([blocks.size, violations.blocked, violations.unmade, lines.filter(isFull).length]).toEqual([3, 4, 7, 2])
  })
})

it('what is remembered of a request is a copy, which keeps no part of its head alive', () => {
  const evidence = new Evidence(undefined)
  const heldBytes = () => {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  }
  const before = heldBytes()
  for (let client = 0; client < 2_000; client++) {
    const head = Buffer.alloc(30_000, 'x').toString('latin1')
    const [method, path] = [head.slice(0, 20), head.slice(100, 200)]
    evidence.add(`client ${client}`, { at: '', kind: 'rate-limited', what: 'limit', method, path })
  }
  expect(heldBytes() - before).toBeLessThan(20_000_000) // the heads are 60 MB
  expect(evidence.recent('client 1999')).toHaveLength(1)
})
