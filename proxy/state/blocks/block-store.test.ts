import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '#shared/clock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { clusterTarget, connectedGuard, guardOf, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { startCluster } from '#shared/testing/redis-topologies.ts'
import { freePort } from '../../../deploy/local/ports.ts'
import { type IpAddress, parseAddress } from '../../facts/ip-address.ts'
import { blockText, unblockedText } from './block-entry.ts'
import { BlockLink } from './block-link.ts'
import { type BlockOrder, BlockStore, type BlockStoreSettings } from './block-store.ts'

const redis = await redisOfFile()
const closing: (() => void)[] = []
let services = 0

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

interface Member {
  readonly guard: RedisGuard
  readonly store: BlockStore
}

/** In one step: nobody is to see a part of it. */
const RENAME_ALL = `for i = 1, 4 do redis.call('RENAME', KEYS[i], KEYS[i + 4]) end`

const NEVER_POLLS = { pollIntervalMs: 600_000 }
const HOUR_MS = 3_600_000

const opened = async (guard: RedisGuard, settings: BlockStoreSettings, clock?: Clock): Promise<Member> => {
  const store = new BlockStore(guard, quietLog, clock, settings)
  closing.push(() => {
    store.close()
    guard.close()
  })
  await store.open()
  return { guard, store }
}

/** Each test has keys of its own. */
const newService = (): string => `blocks-${services++}`

const member = async (service: string, settings: BlockStoreSettings = NEVER_POLLS, clock?: Clock): Promise<Member> =>
  opened(await connectedGuard(singleTarget(redis.port), service), settings, clock)

const order = (range: string, more: Partial<BlockOrder> = {}): BlockOrder => {
  const untilMs = Date.now() + HOUR_MS
  return {
    ...{ range, source: 'manual', author: 'alice', reason: 'scrapes', sinceMs: Date.now(), untilMs },
    ...{ forgetAtMs: Math.max(untilMs, more.untilMs ?? 0), count: 1 },
    ...more,
  }
}

const auto = (range: string, untilMs: number): BlockOrder =>
  order(range, { source: 'auto', author: 'sidegate', untilMs, forgetAtMs: untilMs + HOUR_MS })

const ip = (text: string): IpAddress => {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(text)
  return address
}

const blocks = ({ store }: Member, address: string): boolean => store.isBlocked(ip(address))

/** The messages of others are heard once the connection for them is there. */
const hearing = async (...members: readonly Member[]): Promise<void> => {
  for (const one of members) {
    const probe = `192.0.2.${members.indexOf(one) + 200}`
    await one.store.block([order(probe)])
    await eventually('all hear one another', async () => {
      if (members.every((other) => blocks(other, probe))) return true
      await one.store.unblock([probe])
      await one.store.block([order(probe)])
      return false
    })
  }
}

describe('a block', () => {
  it('holds on every instance, without a poll, and ends there when it is ended anywhere', async () => {
    const service = newService()
    const [one, two, three] = await Promise.all([member(service), member(service), member(service)])
    await hearing(one, two, three)
    expect(await one.store.block([order('198.51.100.0/24')])).toEqual({ isFleetTold: true })
    expect(blocks(one, '198.51.100.7')).toBe(true)
    await eventually('the others have it', () => blocks(two, '198.51.100.7') && blocks(three, '198.51.100.7'))
    expect(two.store.find(ip('198.51.100.7'))).toEqual(one.store.find(ip('198.51.100.7')))

    const { unblocked, isFleetTold } = await three.store.unblock(['198.51.100.0/24'])
    expect([unblocked.map(({ range }) => range), isFleetTold]).toEqual([['198.51.100.0/24'], true])
    expect(blocks(three, '198.51.100.7')).toBe(false)
    await eventually('the others have it', () => !blocks(one, '198.51.100.7') && !blocks(two, '198.51.100.7'))
  })

  it('is learned of at the next poll, where no message comes', async () => {
    const service = newService()
    const one = await member(service)
    const two = await member(service, { pollIntervalMs: 100 })
    Object.assign(two.guard, { subscribe: () => () => undefined })
    const deaf = await opened(two.guard, { pollIntervalMs: 100 })
    await one.store.block([order('198.51.100.7')])
    await eventually('the deaf one has it', () => blocks(deaf, '198.51.100.7'))
  })

  it('is learned of also where its message comes while Redis has just been asked', async () => {
    const service = newService()
    const one = await member(service)
    const guard = await connectedGuard(singleTarget(redis.port), service)
    const [subscribe, call] = [guard.subscribe.bind(guard), guard.call.bind(guard)]
    let messages = 0
    let meanwhile: (() => Promise<void>) | undefined
    Object.assign(guard, {
      subscribe: (channel: string, listener: () => void) =>
        subscribe(channel, () => {
          listener()
          messages++
        }),
      async call(...asking: Parameters<typeof call>) {
        const answer = await call(...asking)
        const [then] = [meanwhile]
        meanwhile = undefined
        await then?.()
        return answer
      },
    })
    const two = await opened(guard, NEVER_POLLS)
    await hearing(one, two)
    meanwhile = async () => {
      const before = messages
      await one.store.block([order('198.51.100.8')])
      await eventually('its message has come', () => messages > before)
    }
    await one.store.block([order('198.51.100.7')])
    await eventually('both are known', () => blocks(two, '198.51.100.7') && blocks(two, '198.51.100.8'))
  })

  it('is known to who comes later, also where there are many', async () => {
    const service = newService()
    const one = await member(service)
    const ranges = Array.from({ length: 2_600 }, (_, index) => `10.1.${index >> 8}.${index & 255}`)
    expect(await one.store.block(ranges.map((range) => order(range)))).toEqual({ isFleetTold: true })
    const late = await member(service)
    expect(late.store.size).toBe(2_600)
    expect(blocks(late, '10.1.10.39')).toBe(true)
    expect(blocks(late, '10.1.10.40')).toBe(false)
  })

  it('by itself does not shorten what there is; an operator may', async () => {
    const one = await member(newService())
    const nowMs = Date.now()
    await one.store.block([auto('198.51.100.7', nowMs + HOUR_MS)])
    await one.store.block([auto('198.51.100.7', nowMs + 1_000)])
    expect(one.store.get('198.51.100.7')?.untilMs).toBe(nowMs + HOUR_MS)
    await one.store.block([order('198.51.100.7', { untilMs: nowMs + 5_000 })])
    expect(one.store.get('198.51.100.7')).toMatchObject({ untilMs: nowMs + 5_000, source: 'manual', author: 'alice' })
  })

  it('without an end stays without one', async () => {
    const service = newService()
    const one = await member(service)
    const never = Number.POSITIVE_INFINITY
    await one.store.block([order('2001:db8::/48', { untilMs: never, forgetAtMs: never })])
    const two = await member(service)
    expect(two.store.get('2001:db8::/48')).toMatchObject({ untilMs: never, forgetAtMs: never })
    expect(blocks(two, '2001:db8:0:7::1')).toBe(true)
  })

  it('that has passed holds nowhere, and leaves memory and Redis when it may be forgotten', async () => {
    const service = newService()
    let nowMs = Date.now() - HOUR_MS // behind Redis, for which it has passed already
    const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => performance.now() }
    const one = await member(service, NEVER_POLLS, clock)
    const inRedis = () =>
      one.guard.call(
        'any',
        (r) => r.hlen(one.guard.key('blocks:{blocks}:state')),
        () => -1,
      )
    await one.store.block([order('198.51.100.7', { untilMs: nowMs + 1_000, forgetAtMs: nowMs + 1_000 })])
    expect(await inRedis()).toBe(1)
    expect(blocks(one, '198.51.100.7')).toBe(true)
    nowMs += 1_001
    expect(blocks(one, '198.51.100.7')).toBe(false)
    await eventually('it is out of memory', () => one.store.size === 0)
    await one.store.block([order('198.51.100.8')])
    expect(await inRedis()).toBe(1)
  })
})

describe('while Redis is lost', () => {
  const failing = async () => {
    const own = await new RedisProcess(await freePort()).start()
    closing.push(() => void own.close())
    const service = newService()
    const join = async () => opened(await connectedGuard(singleTarget(own.port), service), NEVER_POLLS)
    const [one, two] = [await join(), await join()]
    await hearing(one, two)
    const lost = () => eventually('both have lost it', () => one.guard.isImpaired && two.guard.isImpaired)
    return { own, one, two, join, lost }
  }

  it('a change holds here and is told afterwards; what was made on either side survives', async () => {
    const { own, one, two, lost } = await failing()
    own.freeze()
    await lost()
    expect(await one.store.block([order('198.51.100.1')])).toEqual({ isFleetTold: false })
    expect(await two.store.block([order('198.51.100.2')])).toEqual({ isFleetTold: false })
    expect([blocks(one, '198.51.100.1'), blocks(two, '198.51.100.1'), blocks(two, '198.51.100.2')]).toEqual([
      true,
      false,
      true,
    ])
    own.thaw()
    await eventually('each has both', () =>
      [one, two].every((each) => blocks(each, '198.51.100.1') && blocks(each, '198.51.100.2')),
    )
    expect([one.store.untold, two.store.untold]).toEqual([0, 0])
  })

  it('an unblock ends the block that it has seen, and not another one that was made meanwhile', async () => {
    const { own, one, two, lost } = await failing()
    const longer = Date.now() + 2 * HOUR_MS
    await one.store.block([order('198.51.100.1'), order('198.51.100.2')])
    await eventually('both have both', () => blocks(two, '198.51.100.1') && blocks(two, '198.51.100.2'))
    own.freeze()
    await lost()
    await one.store.unblock(['198.51.100.1', '198.51.100.2'])
    await two.store.block([order('198.51.100.2', { untilMs: longer, forgetAtMs: longer })])
    own.thaw()
    await eventually('both agree', () =>
      [one, two].every((each) => !blocks(each, '198.51.100.1') && each.store.get('198.51.100.2')?.untilMs === longer),
    )
  })

  it('a Redis that comes back empty is told what all know, and by nobody what was unblocked', async () => {
    const { own, one, two, join, lost } = await failing()
    const ranges = Array.from({ length: 1_200 }, (_, index) => `10.1.${index >> 8}.${index & 255}`)
    await one.store.block([...ranges.map((range) => order(range)), order('198.51.100.1')])
    await eventually('both have all', () => blocks(two, '198.51.100.1') && blocks(two, ranges.at(-1) as string))
    await one.store.unblock(['198.51.100.1'])
    await eventually('both have it', () => !blocks(two, '198.51.100.1'))
    await own.kill()
    await lost()
    await two.store.block([order('198.51.100.2')])
    await own.start()
    await eventually('it has all of them', async () => {
      const three = await join()
      const has = [...ranges, '198.51.100.2'].every((range) => three.store.get(range) !== undefined)
      const brings = blocks(three, '198.51.100.1')
      three.store.close()
      expect(brings).toBe(false)
      return has
    })
    await eventually('the others have it', () => blocks(one, '198.51.100.2'))
  })

  it('a Redis that comes back older is told what it has forgotten', async () => {
    const service = newService()
    const [one, two] = [await member(service, { pollIntervalMs: 200 }), await member(service, { pollIntervalMs: 200 })]
    const names = ['meta', 'state', 'changes', 'expiry'].map((name) => one.guard.key(`blocks:{blocks}:${name}`))
    await one.store.block([order('198.51.100.1')])
    await redis.command(...names.map((name): [string, ...string[]] => ['COPY', name, `{blocks}:kept:${name}`]))
    await one.store.block([order('198.51.100.2')])
    await one.store.unblock(['198.51.100.1'])
    await eventually('both have it', () => blocks(two, '198.51.100.2') && !blocks(two, '198.51.100.1'))
    await redis.command(['EVAL', RENAME_ALL, 8, ...names.map((name) => `{blocks}:kept:${name}`), ...names])
    await eventually('a third has both', async () => {
      const three = await member(service)
      return blocks(three, '198.51.100.2') && !blocks(three, '198.51.100.1')
    })
    expect([one, two].map((one_) => [blocks(one_, '198.51.100.1'), blocks(one_, '198.51.100.2')])).toEqual([
      [false, true],
      [false, true],
    ])
  })
})

it('blocks work in a cluster', { timeout: 90_000 }, async () => {
  const cluster = await startCluster()
  closing.push(() => void cluster.close())
  const service = newService()
  const join = async () => opened(await connectedGuard(clusterTarget(cluster), service), NEVER_POLLS)
  const [one, two] = [await join(), await join()]
  await hearing(one, two)
  await one.store.block([order('2001:db8::/64')])
  await eventually('the other has it', () => blocks(two, '2001:db8::7'))
})

it('without a Redis configured, they are this process’s own', async () => {
  const store = new BlockStore(undefined, quietLog)
  closing.push(() => store.close())
  await store.open()
  expect(await store.block([order('198.51.100.0/24')])).toEqual({ isFleetTold: true })
  expect(store.isBlocked(ip('198.51.100.7'))).toBe(true)
  expect(await store.unblock(['198.51.100.0/24', '198.51.100.0/25'])).toMatchObject({
    unblocked: [{ range: '198.51.100.0/24' }],
  })
  expect(store.isBlocked(ip('198.51.100.7'))).toBe(false)
})

it('a start without its Redis does not wait for it', async () => {
  const guard = guardOf(singleTarget(await freePort()), newService())
  const { store } = await opened(guard, NEVER_POLLS)
  expect(await store.block([order('198.51.100.7')])).toEqual({ isFleetTold: false })
  expect(store.isBlocked(ip('198.51.100.7'))).toBe(true)
})

describe('of what instances tell of one range when Redis is back', () => {
  const range = '198.51.100.7'
  const nowMs = Date.now()

  const made = (stamp: number, untilMs: number) => {
    const entry = blockText({ ...order(range), stamp, untilMs, forgetAtMs: untilMs })
    return { range, mode: 'keep', entry, forgetAtMs: untilMs } as const
  }
  const ended = (stamp: number, seenStamp: number) =>
    ({ range, mode: 'keep', entry: unblockedText({ range, stamp, seenStamp }), forgetAtMs: nowMs + HOUR_MS }) as const

  /** @returns what tells one after the other, and whether there is a block then */
  const teller = async () => {
    const guard = await connectedGuard(singleTarget(redis.port), newService())
    closing.push(() => guard.close())
    const link = new BlockLink(guard)
    return async (change: ReturnType<typeof made>) => (await link.tell([change]))?.[0]?.kind
  }

  it.each([
    ['ends as late', 60_000],
    ['ends sooner', 30_000],
    ['has no end, as the other', Number.POSITIVE_INFINITY],
  ])('a block that was made while the other was ended elsewhere survives, also where it %s', async (_how, forMs) => {
    const tell = await teller()
    await tell(made(nowMs, nowMs + Math.max(forMs, 60_000)))
    await tell(made(nowMs + 5, nowMs + forMs))
    expect(await tell(ended(nowMs + 6, nowMs))).toBe('block')
    expect(await tell(ended(nowMs + 7, nowMs + 5))).toBe('unblocked')
  })

  it.each([
    ['the one that has seen more comes last', [0, 5]],
    ['the one that has seen more comes first', [5, 0]],
  ])('of two unblocks, that of the younger block counts: %s', async (_order, seen) => {
    const tell = await teller()
    for (const [index, seenMs] of seen.entries()) await tell(ended(nowMs + 10 + index, nowMs + seenMs))
    expect(await tell(made(nowMs + 5, nowMs + 60_000))).toBe('unblocked')
    expect(await tell(made(nowMs + 6, nowMs + 60_000))).toBe('block')
  })
})
