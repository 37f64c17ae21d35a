import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import type { RedisGuard } from '../redis.ts'
import { eventually } from '../testing/eventually.ts'
import { connectedGuard, quietLog, singleTarget } from '../testing/redis-guards.ts'
import { redisOfFile } from '../testing/redis-of-file.ts'
import { type Proposal, SharedDocument, type SharedDocumentSettings, type Version } from './shared-document.ts'

const redis = await redisOfFile()
const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

interface Member {
  readonly guard: RedisGuard
  readonly document: SharedDocument
  readonly seen: Version[]
}

const startMember = async (name: string, settings: Partial<SharedDocumentSettings> = {}): Promise<Member> => {
  const guard = await connectedGuard(singleTarget(redis.port))
  const seen: Version[] = []
  const document = new SharedDocument(guard, { name, historyLimit: 50, ...settings }, quietLog, (version) => {
    seen.push(version)
  })
  await document.open()
  closing.push(() => {
    document.close()
    guard.close()
  })
  return { guard, document, seen }
}

const startFleet = (name: string, settings?: Partial<SharedDocumentSettings>) =>
  Promise.all([1, 2, 3].map(() => startMember(name, settings)))

/** Adds a line to the document, as often as another writer comes first. */
const append = async ({ document }: Member, line: string): Promise<number> => {
  for (;;) {
    const { current } = document
    const proposal = await document.propose(current?.version ?? 0, `${current?.body ?? ''}${line}\n`)
    if (proposal.kind === 'accepted') return proposal.version
    if (proposal.kind !== 'conflict') await delay(20)
  }
}

it('what one writes, all have at once, without a poll', async () => {
  const fleet = await startFleet('prompt', { pollIntervalMs: 600_000 })
  const [writer] = fleet as [Member]
  // The channel is listened to once its connection is there.
  await eventually('all hear of it', async () => {
    await append(writer, 'x')
    await delay(200)
    return fleet.every(({ document }) => document.current?.version === writer.document.current?.version)
  })
})

it('with messages lost, all have it after a poll', async () => {
  const [writer, reader] = (await startFleet('polled', { pollIntervalMs: 200 })) as [Member, Member]
  reader.guard.subscribe = () => () => undefined
  await append(writer, 'x')
  await eventually('the reader has polled', () => reader.document.current?.body === 'x\n')
})

it('no sequence of writers at once loses an update or skips a version', async () => {
  const fleet = await startFleet('race')
  const lines = fleet.flatMap((member, index) =>
    Array.from({ length: 20 }, (_, n) => ({ member, line: `${index}-${n}` })),
  )
  const versions = await Promise.all(lines.map(({ member, line }) => append(member, line)))
  expect(versions.toSorted((a, b) => a - b)).toEqual(lines.map((_, index) => index + 1))
  const late = await startMember('race')
  expect(late.document.current?.version).toBe(lines.length)
  expect(late.document.current?.body.trim().split('\n').toSorted()).toEqual(lines.map(({ line }) => line).toSorted())
  await eventually('all have the newest', () =>
    fleet.every(({ document }) => document.current?.version === lines.length),
  )
  for (const { seen } of fleet) {
    const order = seen.map(({ version }) => version)
    expect(order).toEqual([...new Set(order)].toSorted((a, b) => a - b))
  }
})

it('a writer who is late is told what there is', async () => {
  const [one, other] = (await startFleet('conflict')) as [Member, Member]
  await append(one, 'first')
  expect(await other.document.propose(0, 'mine')).toEqual({
    kind: 'conflict',
    current: { version: 1, body: 'first\n' },
  })
  expect(await other.document.propose(7, 'mine')).toMatchObject({ kind: 'conflict', current: { version: 1 } })
})

it('keeps the newest versions and no more', async () => {
  const [one] = (await startFleet('history', { historyLimit: 3 })) as [Member]
  for (const line of ['a', 'b', 'c', 'd', 'e']) await append(one, line)
  const history = await one.document.history()
  expect(history.map(({ version }) => version)).toEqual([5, 4, 3])
  expect(history[0]?.body).toBe('a\nb\nc\nd\ne\n')
})

it('a Redis that has lost everything is given it back, and takes nothing new before all have had a chance to', async () => {
  const fleet = await startFleet('lost', { pollIntervalMs: 3_000 })
  const [one, other] = fleet as [Member, Member]
  for (const line of ['a', 'b', 'c']) await append(one, line)
  await eventually('all have it', () => fleet.every(({ document }) => document.current?.version === 3))
  await redis.kill()
  expect(await one.document.propose(3, 'x')).toEqual({ kind: 'unavailable' })
  expect(other.document.current?.version).toBe(3)
  await redis.start()
  await eventually(
    'it is back',
    async () => (await redis.command(['EXISTS', 'sidegate:test:document:{lost}']))[0] === 1,
  )
  // Not to be waited for by asking without a pause: while it is not connected the answer is there at once, and nothing else gets its turn.
  let tooSoon: Proposal = { kind: 'unavailable' }
  await eventually('it is connected', async () => {
    tooSoon = await other.document.propose(3, 'too soon')
    return tooSoon.kind !== 'unavailable'
  })
  expect(tooSoon).toEqual({ kind: 'settling' })
  expect(await append(other, 'd')).toBe(4)
  const late = await startMember('lost')
  expect(late.document.current?.body).toBe('a\nb\nc\nd\n')
  expect((await late.document.history()).map(({ version }) => version)).toEqual([4, 3, 2, 1])
}, 60_000)

it('one who has heard of more than Redis knows is not told to begin again', async () => {
  const [one] = (await startFleet('flushed', { pollIntervalMs: 3_000 })) as [Member]
  for (const line of ['a', 'b']) await append(one, line)
  await redis.command(['FLUSHALL'])
  expect(await one.document.propose(2, 'c')).toEqual({ kind: 'settling' })
  expect(await one.document.propose(0, 'mine')).toEqual({ kind: 'settling' })
  expect(await append(one, 'c')).toBe(3)
  expect(one.document.current?.body).toBe('a\nb\nc\n')
}, 60_000)

it('a listener that throws costs nobody else anything', async () => {
  const guard = await connectedGuard(singleTarget(redis.port))
  const document = new SharedDocument(guard, { name: 'thrown', historyLimit: 5, pollIntervalMs: 100 }, quietLog, () => {
    throw new Error('a defect')
  })
  guard.onRecovered(() => {
    throw new Error('another')
  })
  await document.open()
  expect(await document.propose(0, 'x')).toEqual({ kind: 'accepted', version: 1 })
  const other = await startMember('thrown')
  await append(other, 'y')
  await eventually('it has polled on', () => document.current?.version === 2)
  document.close()
  guard.close()
})

it('the greatest version that anyone has heard of stays', async () => {
  const [one, other] = (await startFleet('greatest', { pollIntervalMs: 300 })) as [Member, Member]
  await append(one, 'a')
  await eventually('both have it', () => other.document.current?.version === 1)
  other.document.close() // hears nothing more
  await append(one, 'b')
  await redis.command(['DEL', 'sidegate:test:document:{greatest}', 'sidegate:test:document:{greatest}:history'])
  const behind = await startMember('greatest', { pollIntervalMs: 300 })
  await eventually('the newest is back', () => behind.document.current?.version === 2)
  expect(behind.document.current?.body).toBe('a\nb\n')
})

it('a long history of large documents is read, and written back after a loss, in calls that keep their deadline', async () => {
  const body = 'x'.repeat(400_000)
  const [one] = (await startFleet('large', { historyLimit: 50 })) as [Member]
  for (let version = 0; version < 50; version++) {
    await eventually('it is written', async () => {
      await one.document.propose(version, `${body}${version}`)
      return one.document.current?.version === version + 1
    })
  }
  const [late] = (await startFleet('large', { historyLimit: 50 })) as [Member]
  await eventually('it is known', () => late.document.current?.version === 50)
  const versions = Array.from({ length: 50 }, (_none, index) => 50 - index)
  await eventually('its history is, too', async () => (await late.document.history()).length === 50)
  expect((await late.document.history()).map(({ version }) => version)).toEqual(versions)
  await eventually('who wrote it has all of it, too', async () => (await one.document.history()).length === 50)
  await redis.command(['FLUSHALL'])
  await eventually('it is written back', async () => {
    await one.document.refresh()
    return (await one.document.history()).length === 50
  })
  const [latest] = (await startFleet('large', { historyLimit: 50 })) as [Member]
  await eventually('all is back', async () => (await latest.document.history()).length === 50)
  expect((await latest.document.history()).every(({ version, body: text }) => text === `${body}${version - 1}`)).toBe(
    true,
  )
})

it('a history that is being read keeps what is written meanwhile', async () => {
  const [one] = (await startFleet('meanwhile')) as [Member]
  for (let version = 0; version < 25; version++) await one.document.propose(version, `body ${version}`)
  const late = await startMember('meanwhile')
  const reading = late.document.history()
  expect(await late.document.propose(25, 'body 25')).toMatchObject({ kind: 'accepted', version: 26 })
  expect((await reading).map(({ version }) => version)).toEqual(
    Array.from({ length: 26 }, (_none, index) => 26 - index),
  )
})
