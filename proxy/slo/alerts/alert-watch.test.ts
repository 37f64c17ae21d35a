import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { LeaderLock } from '#shared/redis/leader-lock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { guardOf, quietLog, singleTarget } from '#shared/testing/redis-guards.ts'
import { redisOfFile } from '#shared/testing/redis-of-file.ts'
import { TestPolicies } from '../../testing/policies.ts'
import { SECRET_PATH, startWebhook, type TestWebhook } from '../../testing/start-webhook.ts'
import { FleetHistory } from '../fleet-history.ts'
import { Slo } from '../slo.ts'
import { VERDICTS } from '../verdict.ts'
import { alertReport } from './alert-report.ts'
import { sendAlert } from './alert-sender.ts'
import { AlertStore } from './alert-store.ts'
import { AlertWatch } from './alert-watch.ts'
import { FleetExamples } from './fleet-examples.ts'

const redis = await redisOfFile()
let services = 0
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const DASHBOARD = 'https://sidegate.example.com/'
const LEASE_MS = 600

const policiesWith = (...webhooks: { kind: 'alertmanager' | 'slack'; url: string }[]): TestPolicies =>
  new TestPolicies({
    routes: { all: { match: { path: '/*' }, slo: 'reads' } },
    slo: { objectives: { reads: { availability: 0.9, windowDays: 1 } } },
    alerts: { burnRates: [{ factor: 2, longSeconds: 3_600, shortSeconds: 300 }], minimumEvents: 10, webhooks },
  })

const toAlertmanager = ({ url }: TestWebhook) => ({ kind: 'alertmanager' as const, url })
const toSlack = ({ url }: TestWebhook) => ({ kind: 'slack' as const, url })

interface LogLine {
  readonly msg: string
  readonly [field: string]: unknown
}

/** An instance of a fleet, as one process has it. */
class Member {
  readonly guard: RedisGuard | undefined
  readonly slo: Slo
  readonly lines: LogLine[] = []
  readonly lock: LeaderLock
  readonly store: AlertStore
  readonly watch: AlertWatch
  readonly policies: TestPolicies
  readonly #timer: NodeJS.Timeout
  #isGone = false

  constructor(service: string | undefined, policies: TestPolicies) {
    const log = pino({}, { write: (line: string) => void this.lines.push(JSON.parse(line) as LogLine) })
    this.policies = policies
    this.guard = service === undefined ? undefined : guardOf(singleTarget(redis.port), service, 2_000)
    this.slo = new Slo(new FleetHistory(this.guard, 'i', quietLog))
    this.lock = new LeaderLock(this.guard, 'i', { name: 'slo-alerts', leaseMs: LEASE_MS }, quietLog)
    this.store = new AlertStore(this.guard)
    const examples = new FleetExamples(this.guard)
    const { slo, lock, store } = this
    const send: ConstructorParameters<typeof AlertWatch>[0]['send'] = (webhook, notification) =>
      sendAlert(webhook, notification, { service: 'shop', dashboard: DASHBOARD })
    const parts = { history: slo.history, policies, lock, store, examples, send }
    this.watch = new AlertWatch(parts, log, undefined, { judgeIntervalMs: 50 }, () => 0)
    this.#timer = setInterval(async () => {
      slo.collect()
      await examples.tell(slo.badExamples.take())
      await this.watch.tick()
    }, 20)
    closing.push(() => this.leave())
  }

  count(verdict: (typeof VERDICTS)[number], times: number, id = 'an-id'): void {
    for (let time = 0; time < times; time++)
      this.slo.record('read', 'reads', VERDICTS.indexOf(verdict), 1, undefined, performance.now(), id)
  }

  get leads(): boolean {
    return this.lock.token !== undefined
  }

  get changes(): string[] {
    return this.lines.map(({ msg }) => msg).filter((msg) => /^slo alert (fires|resolved)$/.test(msg))
  }

  get report() {
    return alertReport(this.store.state, this.policies.active.policy.alerts.webhooks)
  }

  /** From now on it looks at nothing, and leads all the same. */
  async pause(): Promise<void> {
    clearInterval(this.#timer)
    await this.watch.tick()
  }

  /** As a process does that is killed: nobody is told. */
  die(): void {
    clearInterval(this.#timer)
    this.guard?.close()
    this.#isGone = true
  }

  async leave(): Promise<void> {
    if (this.#isGone) return
    clearInterval(this.#timer)
    await this.watch.close()
    await this.lock.close()
    this.die()
    await this.slo.history.close()
  }
}

const start = async (size: number, policies: TestPolicies): Promise<Member[]> => {
  const service = `alerts-${services++}`
  const members = Array.from({ length: size }, () => new Member(service, policies))
  await eventually('one leads', () => members.some(({ leads }) => leads))
  return members
}

/** Time enough for many looks and sendings: what is not to come would have come. */
const aWhile = async (members: readonly Member[]): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) {
    for (const { watch } of members) await watch.tick()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('an alert', () => {
  it('is told once for all instances when it fires, and once when it is over, with what is to be known', async () => {
    const [alertmanager, slack] = [await startWebhook(), await startWebhook()]
    const members = await start(2, policiesWith(toAlertmanager(alertmanager), toSlack(slack)))
    const [one, two] = members as [Member, Member]
    // What one of them has counted is not enough.
    one.count('good', 40)
    one.count('upstream', 8, 'id-of-one')
    two.count('timeout', 9, 'id-of-two')
    await eventually('it is told', () => alertmanager.seen.length > 0 && slack.seen.length > 0)
    await aWhile(members)
    expect([alertmanager.seen.length, slack.seen.length]).toEqual([1, 1])
    const [{ alerts, ...group }] = alertmanager.seen
    expect(group).toMatchObject({ version: '4', status: 'firing', receiver: 'sidegate', externalURL: DASHBOARD })
    expect(alerts).toHaveLength(1)
    expect(alerts[0]).toMatchObject({
      status: 'firing',
      labels: { service: 'shop', objective: 'reads', promise: 'availability', severity: 'ticket', window: '1h/5m' },
      annotations: { causes: 'timeout 9, upstream 8', operations: 'read 17', dashboard: DASHBOARD },
      endsAt: '0001-01-01T00:00:00Z',
    })
    expect(alerts[0].annotations.examples.split(' ')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^id-of-/)]),
    )
    expect(slack.seen[0].text).toContain('reads: the availability budget burns more than 2 times too fast')
    expect(members.flatMap(({ changes }) => changes)).toEqual(['slo alert fires'])
    const { msg: _, ...line } =
      members.flatMap(({ lines }) => lines).find(({ msg }) => msg === 'slo alert fires') ?? expect.fail()
    expect(line).toMatchObject({
      level: 40,
      objective: 'reads',
      longBurn: expect.closeTo(17 / 57 / 0.1),
      shortBurn: expect.closeTo(17 / 57 / 0.1),
      causes: [{ count: 9 }, { count: 8 }],
    })

    two.count('good', 1_000)
    await eventually('its end is told', () => alertmanager.seen.length > 1 && slack.seen.length > 1)
    await aWhile(members)
    expect([alertmanager.seen.length, slack.seen.length]).toEqual([2, 2])
    const [ended] = alertmanager.seen[1].alerts
    expect(ended).toMatchObject({
      status: 'resolved',
      startsAt: alerts[0].startsAt,
      fingerprint: alerts[0].fingerprint,
    })
    expect(alertmanager.seen[1].groupKey).toBe(group.groupKey)
    expect(Date.parse(ended.endsAt)).toBeGreaterThanOrEqual(Date.parse(ended.startsAt))
    expect(members.flatMap(({ changes }) => changes).sort()).toEqual(['slo alert fires', 'slo alert resolved'])
    for (const { store } of members) await store.read()
    expect(members.map(({ report }) => report)).toEqual([
      { alerts: [], notifications: [] },
      { alerts: [], notifications: [] },
    ])
  }, 60_000)

  it('is not told anew by the instance that goes on when the leader is killed', async () => {
    const webhook = await startWebhook()
    const members = await start(2, policiesWith(toAlertmanager(webhook)))
    const leader = members.find(({ leads }) => leads) ?? expect.fail()
    const other = members.find((member) => member !== leader) ?? expect.fail()
    leader.count('upstream', 20)
    await eventually(
      'it is told and noted',
      () => webhook.seen.length === 1 && leader.report.notifications.length === 0,
    )
    await eventually('the other knows the counts', async () => {
      await other.slo.history.flush(true)
      return other.slo.history.sum('objective/reads', 300_000)[VERDICTS.indexOf('upstream')] === 20
    })
    leader.die()
    await eventually('the other leads', () => other.leads)
    await aWhile([other])
    expect(webhook.seen).toHaveLength(1)
    expect(other.report.alerts).toMatchObject([{ objective: 'reads', since: webhook.seen[0].alerts[0].startsAt }])
    other.count('good', 1_000)
    await eventually('its end is told', () => webhook.seen.length === 2)
    expect(webhook.seen[1].status).toBe('resolved')
  }, 60_000)

  it('is delivered once a webhook is back, in order, and others have not waited for it', async () => {
    const [down, hanging, well] = [await startWebhook(503), await startWebhook('hangs'), await startWebhook()]
    const policies = policiesWith(toAlertmanager(hanging), toSlack(down), toAlertmanager(well))
    const [member] = (await start(1, policies)) as [Member]
    member.count('upstream', 20)
    await eventually('who is well is told', () => well.seen.length === 1)
    await eventually('it is tried again', () => down.seen.length > 1)
    member.count('good', 1_000)
    await eventually('who is well is told of its end', () => well.seen.length === 2)
    const waiting = member.report.notifications
    expect(waiting.map(({ change, webhook }) => [change, webhook.kind, webhook.host])).toEqual(
      expect.arrayContaining([
        ['fires', 'slack', down.host],
        ['resolved', 'slack', down.host],
        ['fires', 'alertmanager', hanging.host],
      ]),
    )
    expect(waiting.find(({ webhook }) => webhook.host === down.host)?.attempts).toBeGreaterThan(0)
    expect(JSON.stringify([waiting, member.lines])).not.toContain(SECRET_PATH)
    const refused = down.seen.length
    down.answer = 200
    await eventually('both are delivered', () => down.seen.length >= refused + 2)
    expect(down.seen.slice(-2).map(({ text }) => text)).toEqual([
      expect.stringContaining('burns more than 2 times'),
      expect.stringContaining('no longer burns'),
    ])
  }, 60_000)

  it('is given up where a webhook does not know it, in a line that does not show its path', async () => {
    const [gone, well] = [await startWebhook(404), await startWebhook()]
    const members = await start(1, policiesWith(toSlack(gone), toSlack(well)))
    const [member] = members as [Member]
    member.count('upstream', 20)
    await eventually('it is given up', () => member.lines.some(({ level }) => level === 50))
    await eventually(
      'nothing waits',
      () => member.report.notifications.length === 0 && member.report.alerts.length === 1,
    )
    await aWhile(members)
    expect([gone.seen.length, well.seen.length]).toEqual([1, 1])
    expect(member.lines.find(({ level }) => level === 50)).toMatchObject({ host: gone.host, error: '404', attempts: 1 })
    expect(JSON.stringify(member.lines)).not.toContain('secret-of-the-webhook')
  }, 60_000)

  it('waits while Redis is lost, and is not told anew by a fleet whose Redis has lost everything', async () => {
    const webhook = await startWebhook(503)
    const members = await start(2, policiesWith(toAlertmanager(webhook)))
    const [one, two] = members as [Member, Member]
    one.count('upstream', 20)
    await eventually('it is tried', () => webhook.seen.length > 0)
    await eventually('both know', () => members.every(({ report }) => report.alerts.length === 1))
    // Who leads next must not be one that never heard of what the fleet had counted.
    await eventually('both know the counts', async () => {
      const sums = await Promise.all(
        members.map(async ({ slo }) => {
          await slo.history.flush(true)
          return slo.history.sum('objective/reads', 300_000)[VERDICTS.indexOf('upstream')]
        }),
      )
      return sums.every((bad) => bad === 20)
    })
    await redis.kill()
    await eventually('nobody leads', () => !one.leads && !two.leads)
    webhook.answer = 200
    const told = webhook.seen.length
    await aWhile(members)
    expect(webhook.seen).toHaveLength(told)
    await redis.start()
    await eventually('it is delivered', () => webhook.seen.length > told)
    await eventually('that is noted', () =>
      members.some(({ leads, report }) => leads && report.notifications.length === 0),
    )
    await aWhile(members)
    expect(webhook.seen).toHaveLength(told + 1)
    expect(new Set(webhook.seen.map(({ alerts }) => `${alerts[0].fingerprint} ${alerts[0].startsAt}`)).size).toBe(1)
    expect(members.flatMap(({ changes }) => changes)).toEqual(['slo alert fires'])
  }, 60_000)

  it('is over neither here nor there while the leader does not know what the fleet has counted', async () => {
    const webhook = await startWebhook()
    const members = await start(1, policiesWith(toAlertmanager(webhook)))
    const [member] = members as [Member]
    member.count('upstream', 20)
    await eventually('it is told', () => webhook.seen.length === 1 && member.report.notifications.length === 0)
    await member.pause()
    const unknowing = { series: [], sum: () => new Float64Array(1_000), flush: async () => undefined, ageMs: 60_000 }
    const { lock, store, policies } = member
    const parts = { lock, store, policies, examples: { of: async () => [] }, send: async () => expect.fail() }
    const watch = new AlertWatch({ ...parts, history: unknowing }, quietLog, undefined, { judgeIntervalMs: 0 })
    for (let turn = 0; turn < 3; turn++) await watch.tick()
    expect(store.state.firing).toHaveLength(1)
    const knowing = new AlertWatch({ ...parts, history: { ...unknowing, ageMs: 0 } }, quietLog, undefined, {
      judgeIntervalMs: 0,
    })
    policies.change({})
    for (let turn = 0; turn < 3; turn++) await knowing.tick()
    expect(store.state.firing).toHaveLength(0)
  }, 60_000)

  it('is told without a Redis, too', async () => {
    const webhook = await startWebhook()
    const member = new Member(undefined, policiesWith(toAlertmanager(webhook)))
    member.count('upstream', 20, 'the-bad-one')
    await eventually('it is told', () => webhook.seen.length === 1)
    expect(webhook.seen[0].alerts[0].annotations.examples).toContain('the-bad-one')
    member.policies.change({})
    await eventually('it is over, as nothing is promised', () => member.changes.length === 2)
    await aWhile([member])
    expect(webhook.seen).toHaveLength(1) // the policy has no webhook any more
  })
})

describe('what fires', () => {
  it('is written by the leader, and by none that was it before', async () => {
    const guard = guardOf(singleTarget(redis.port), 'fenced', 2_000)
    closing.push(async () => guard.close())
    await eventually('it is connected', () => !guard.isImpaired)
    const [former, present] = [new AlertStore(guard), new AlertStore(guard)]
    const alert = {
      objective: 'reads',
      promise: 'latency',
      factor: 2,
      longSeconds: 60,
      shortSeconds: 1,
      sinceMs: 1,
    } as const
    const firing = { firing: [alert], notifications: [] }
    expect(await former.claim(10)).toEqual({ firing: [], notifications: [] })
    expect(await former.write(10, firing)).toBe('written')
    expect(await present.claim(11)).toEqual(firing)
    expect(await former.write(10, { firing: [], notifications: [] })).toBe('late')
    expect(await former.claim(10)).toBeUndefined()
    await former.read()
    expect(former.state).toEqual(firing)
    // What Redis has lost, whoever leads next has heard of.
    await redis.command(['FLUSHALL'])
    await former.read()
    expect(await former.claim(12)).toEqual(firing)
    expect(await present.write(11, { firing: [], notifications: [] })).toBe('late')
  })
})
