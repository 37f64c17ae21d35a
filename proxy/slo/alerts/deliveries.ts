import type { Clock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import { type DeliveryResult, dueFor, type Notification, notificationKey } from './alert-outbox.ts'
import type { SendResult, Webhook } from './alert-sender.ts'

/** Never rejects. */
export type Send = (webhook: Webhook, notification: Notification) => Promise<SendResult>

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 300_000
const GIVEN_UP_AFTER_MS = 86_400_000

/** Tells webhooks what they are to be told: each by itself, so that one that hangs holds up no other. */
export class Deliveries {
  readonly #send: Send
  readonly #leads: () => boolean
  readonly #log: Logger
  readonly #clock: Clock
  readonly #random: () => number
  readonly #underWay = new Map<string, Promise<void>>()
  /** What has not been noted yet. */
  #results: DeliveryResult[] = []

  /** @param leads whether this instance is still the one that tells */
  constructor(send: Send, leads: () => boolean, log: Logger, clock: Clock, random: () => number) {
    this.#send = send
    this.#leads = leads
    this.#log = log
    this.#clock = clock
    this.#random = random
  }

  get results(): readonly DeliveryResult[] {
    return this.#results
  }

  get hasResults(): boolean {
    return this.#results.length > 0
  }

  /** The first `count` results have been noted. */
  forget(count: number): void {
    this.#results = this.#results.slice(count)
  }

  /** Begins with what is due, at webhooks that are not being told anything. */
  start(notifications: readonly Notification[], webhooks: ReadonlyMap<string, Webhook>): void {
    for (const [id, webhook] of webhooks) {
      // What has come of the last ones is noted first.
      if (this.#underWay.has(id) || this.#results.some((result) => result.webhook === id)) continue
      const due = dueFor(id, notifications, this.#clock.wallMs())
      if (due.length === 0) continue
      const telling = this.#tell(id, webhook, due).finally(() => this.#underWay.delete(id))
      this.#underWay.set(id, telling)
    }
  }

  /** Resolves when nothing is being told. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay.values())
  }

  async #tell(id: string, webhook: Webhook, due: ReturnType<typeof dueFor>): Promise<void> {
    for (const { notification, attempts } of due) {
      if (!this.#leads()) return
      const result = await this.#send(webhook, notification)
      const dueAtMs = this.#dueAfter(result, webhook, notification, attempts)
      this.#results.push({ notification: notificationKey(notification), webhook: id, dueAtMs })
      // One that takes none now need not be asked for each.
      if (result.kind === 'again') return
    }
  }

  /** @returns undefined where it is over */
  #dueAfter(result: SendResult, { kind, url }: Webhook, told: Notification, attempts: number): number | undefined {
    if (result.kind === 'accepted') return undefined
    const { objective, promise, factor } = told.alert
    const change = { change: told.kind, objective, promise, factor }
    // Its path may be a secret.
    const line = { webhook: kind, host: new URL(url).host, ...change, error: result.error, attempts: attempts + 1 }
    const nowMs = this.#clock.wallMs()
    if (result.kind === 'refused' || nowMs - told.atMs > GIVEN_UP_AFTER_MS) {
      this.#log.error(line, 'slo alert notification given up: the webhook does not accept it')
      return undefined
    }
    this.#log.warn(line, 'slo alert notification not accepted: it is tried again')
    const backOffMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 20), LONGEST_PAUSE_MS)
    return nowMs + Math.max(backOffMs * (0.75 + this.#random() / 2), result.afterMs ?? 0)
  }
}
