import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { CompiledPolicy } from '../../state/policy/compile.ts'
import { type AlertChange, judgeAlerts } from '../burn-alerts.ts'
import type { FleetHistory } from '../fleet-history.ts'
import { type ObjectiveReport, objectiveReports } from '../slo-report.ts'
import { alertFacts } from './alert-facts.ts'
import { type AlertState, type Notification, queued, settled, webhookId } from './alert-outbox.ts'
import type { Webhook } from './alert-sender.ts'
import type { AlertStore } from './alert-store.ts'
import { Deliveries, type Send } from './deliveries.ts'
import type { FleetExamples } from './fleet-examples.ts'

export interface AlertWatchParts {
  readonly history: Pick<FleetHistory, 'sum' | 'flush' | 'ageMs'>
  readonly policies: { readonly active: CompiledPolicy }
  /** Of this instance's leadership; undefined where it does not lead. */
  readonly lock: { readonly token: number | undefined }
  readonly store: AlertStore
  readonly examples: Pick<FleetExamples, 'of'>
  readonly send: Send
}

export interface AlertTimes {
  /** Between two looks at what burns. */
  readonly judgeIntervalMs: number
}

const JUDGE_INTERVAL_MS = 10_000
/** What was learned longer ago may be far from what is. */
const OLDEST_LOOK_MS = 30_000
const CLOSED_WITHIN_MS = 1_000

/**
 * Looks at what burns, and tells who is to be told: by the one instance that leads. What has changed is written first, with what is to be told of
 * it; then it is told, until it is accepted, by whoever leads then.
 */
export class AlertWatch {
  readonly #parts: AlertWatchParts
  readonly #log: Logger
  readonly #clock: Clock
  readonly #times: AlertTimes
  readonly #deliveries: Deliveries
  /** Whose state is known to be the one in force; undefined for none. */
  #token: number | undefined
  #judgedAtMs: number
  /** What the last look found over. */
  #doubted: ReadonlySet<string> = new Set()
  #working: Promise<void> | undefined
  #isClosed = false

  constructor(
    parts: AlertWatchParts,
    log: Logger,
    clock: Clock = systemClock,
    times: AlertTimes = { judgeIntervalMs: JUDGE_INTERVAL_MS },
    random: () => number = Math.random,
  ) {
    this.#parts = parts
    this.#log = log
    this.#clock = clock
    this.#times = times
    this.#deliveries = new Deliveries(parts.send, () => this.#leads, log, clock, random)
    this.#judgedAtMs = clock.monotonicMs()
  }

  /** To be called every second or so. Never rejects. */
  tick(): Promise<void> {
    this.#working ??= this.#work()
      .catch((error: unknown) => this.#log.error({ err: error }, 'slo alerts could not be looked at'))
      .finally(() => {
        this.#working = undefined
      })
    return this.#working
  }

  /** Hears of what the leader has written; the leader itself knows. Never rejects. */
  async refresh(): Promise<void> {
    if (this.#token === undefined) await this.#parts.store.read()
  }

  /** Lets what is being told end, for a moment, and notes what has come of it. What has not is told by the next leader. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#working
    await Promise.race([this.#deliveries.idle(), delay(CLOSED_WITHIN_MS, undefined, { ref: false })])
    const { token } = this.#parts.lock
    const isNoted = !this.#deliveries.hasResults
    if (token !== undefined && token === this.#token && !isNoted) await this.#write(token, this.#settledState())
  }

  get #leads(): boolean {
    return !this.#isClosed && this.#token !== undefined && this.#parts.lock.token === this.#token
  }

  async #work(): Promise<void> {
    const { lock, store } = this.#parts
    const { token } = lock
    const isDue = this.#clock.monotonicMs() - this.#judgedAtMs >= this.#times.judgeIntervalMs
    if (token === undefined) {
      this.#token = undefined
      // For a Redis that loses it, and for who asks.
      if (isDue) await store.read()
      if (isDue) this.#judgedAtMs = this.#clock.monotonicMs()
      return
    }
    if (token !== this.#token && !(await this.#begin(token))) return
    if (isDue) await this.#judge(token)
    else if (this.#deliveries.hasResults) await this.#write(token, this.#settledState())
    if (this.#leads) this.#deliveries.start(store.state.notifications, this.#webhooks())
  }

  async #begin(token: number): Promise<boolean> {
    if ((await this.#parts.store.claim(token)) === undefined) return false
    this.#token = token
    this.#doubted = new Set()
    // Others tell meanwhile what this one may not know, and Redis may have lost.
    this.#judgedAtMs = this.#clock.monotonicMs()
    return true
  }

  async #judge(token: number): Promise<void> {
    const { history, policies } = this.#parts
    await history.flush(true)
    this.#judgedAtMs = this.#clock.monotonicMs()
    // Who does not know what there was would take it for over.
    if (history.ageMs > OLDEST_LOOK_MS) return
    const { policy } = policies.active
    const reports = objectiveReports(history, policy)
    const nowMs = this.#clock.wallMs()
    const before = this.#settledState()
    const { minimumEvents } = policy.alerts
    const { firing, changes, doubted } = judgeAlerts(reports, minimumEvents, before.firing, this.#doubted, nowMs)
    if (changes.length === 0) {
      this.#doubted = doubted
      if (this.#deliveries.hasResults) await this.#write(token, before)
      return
    }
    const deliveries = [...this.#webhooks().keys()].map((webhook) => ({ webhook, attempts: 0, dueAtMs: nowMs }))
    const news = await Promise.all(
      changes.map(async (change) => ({ ...(await this.#told(change, reports, nowMs)), deliveries })),
    )
    const { notifications, dropped } = queued(before.notifications, news)
    if (!(await this.#write(token, { firing, notifications }))) {
      this.#judgedAtMs = Number.NEGATIVE_INFINITY // it is looked at anew
      return
    }
    this.#doubted = doubted
    if (dropped.length > 0) this.#log.error({ count: dropped.length }, 'slo alert notifications dropped: too many wait')
    for (const notification of news) this.#logChange(notification)
  }

  async #told(
    change: AlertChange,
    reports: readonly ObjectiveReport[],
    atMs: number,
  ): Promise<Omit<Notification, 'deliveries'>> {
    const { history, policies, examples } = this.#parts
    const ids = await examples.of(change.alert)
    return { ...change, atMs, facts: alertFacts(change.alert, reports, history, policies.active.policy, ids) }
  }

  /** What is in force, and what has come of the deliveries since. */
  #settledState(): AlertState {
    const { firing, notifications } = this.#parts.store.state
    return { firing, notifications: settled(notifications, this.#deliveries.results, new Set(this.#webhooks().keys())) }
  }

  async #write(token: number, state: AlertState): Promise<boolean> {
    const count = this.#deliveries.results.length
    const outcome = await this.#parts.store.write(token, state)
    if (outcome === 'written') this.#deliveries.forget(count)
    if (outcome === 'late') this.#token = undefined
    return outcome === 'written'
  }

  #webhooks(): ReadonlyMap<string, Webhook> {
    return new Map(this.#parts.policies.active.policy.alerts.webhooks.map((webhook) => [webhookId(webhook), webhook]))
  }

  #logChange({ kind, alert: { sinceMs, ...alert }, facts }: Notification): void {
    const line = { ...alert, since: new Date(sinceMs).toISOString(), ...facts }
    if (kind === 'fires') this.#log.warn(line, 'slo alert fires')
    else this.#log.info(line, 'slo alert resolved')
  }
}
