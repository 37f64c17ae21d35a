import { randomBytes } from 'node:crypto'
import { Cluster } from 'ioredis'
import { type Clock, systemClock } from './clock.ts'
import type { Logger } from './log.ts'
import type { CircuitState } from './redis/circuit.ts'
import { createRedisClient, type RedisCommands } from './redis/client.ts'
import { DeadlineClient, type Outcome } from './redis/deadline-client.ts'
import type { RedisTarget } from './redis/settings.ts'
import { NOT_YET, type Shard, Shards } from './redis/shards.ts'
import { Subscriptions } from './redis/subscriptions.ts'

export interface ShardStatus {
  readonly name: string
  readonly state: CircuitState
  readonly since: string
  /** Why it was given up last. */
  readonly cause: string | undefined
}

/** What became of calls. */
export type RedisCallResult = Outcome<unknown>['result'] | 'skipped'

export interface RedisGuardSettings {
  /** The longest that a caller waits. */
  readonly timeoutMs: number
  /** Of every key: `sidegate:<service>:`. */
  readonly keyPrefix: string
  /** What `CLIENT LIST` shows. */
  readonly name: string
}

/** More calls than this at once are not sent: a server that answers late must not fill the memory of those who ask. */
const CALLS_LIMIT = 1_024
const FIRST_PROBE_DELAY_MS = 50
const LONGEST_PROBE_DELAY_MS = 2_000
/** One that has been well for so long is sound: when it is lost again, it is probed eagerly again. */
const SOUND_AFTER_MS = 10_000
/** How often a shard is probed that is thought to be well: whether it is, and whether it still knows what it knew. */
const BEAT_INTERVAL_MS = 1_000
/** Of the mark that a probe leaves. */
const MARK_EXPIRES_SECONDS = 3_600
const REFUSALS_QUIET_MS = 10_000
/** One that is not there from the start is missed after this. */
const ABSENCE_AFTER_MS = 1_000

/**
 * Redis, as nobody ever has to wait for it or to catch what it throws: each call ends by its deadline, with an answer or
 * with what the caller does without one. A shard that fails is left alone, and probed in the background.
 */
export class RedisGuard {
  readonly kind: RedisTarget['kind']
  readonly #line: DeadlineClient
  readonly #subscriptions: Subscriptions
  readonly #shards: Shards
  readonly #keyPrefix: string
  readonly #log: Logger
  readonly #clock: Clock
  readonly #onRecovered = new Set<(shard: string) => void>()
  /** Of the keys that this process alone writes, on each shard. */
  readonly #name = randomBytes(9).toString('base64url')
  #marks = 0
  readonly #beat: NodeJS.Timeout
  readonly #calls: Record<RedisCallResult, number> = { answered: 0, timeout: 0, unreachable: 0, refused: 0, skipped: 0 }
  #refusalsQuietUntilMs = 0
  /** Whether it has been said that it was not there from the start. */
  #isAbsenceLogged = false
  #isClosed = false

  constructor(target: RedisTarget, settings: RedisGuardSettings, log: Logger, clock: Clock = systemClock) {
    this.kind = target.kind
    this.#keyPrefix = settings.keyPrefix
    this.#log = log
    this.#clock = clock
    const open = () => createRedisClient(target, settings.timeoutMs, settings.name)
    const client = open()
    this.#line = new DeadlineClient(client, settings.timeoutMs)
    this.#subscriptions = new Subscriptions(open, (channels, error) => this.#logRefusal(channels.join(), error))
    this.#shards = new Shards(client, clock)
    const { whole } = this.#shards
    client.on('ready', () => {
      whole.mark = undefined // it may be another server
      void this.#probeNow(whole)
    })
    this.#probeLater(whole)
    this.#beat = setInterval(() => this.#probeTheWell(), BEAT_INTERVAL_MS)
    this.#beat.unref()
  }

  /** A key of this service's own: `sidegate:<service>:…`. */
  key(rest: string): string {
    return `${this.#keyPrefix}${rest}`
  }

  /**
   * Asks Redis, or does without.
   *
   * @param key one of those that the commands name; all must be on one shard
   * @param send what to ask; its promise may take as long as it likes
   * @param without what takes the place of an answer; must not throw
   */
  async call<Answer>(
    key: string,
    send: (redis: RedisCommands) => Promise<Answer>,
    without: () => Answer,
  ): Promise<Answer> {
    const shard = this.#shards.of(key)
    if (shard.circuit.state === 'open' || this.#line.underWay >= CALLS_LIMIT || this.#isClosed) {
      this.#calls.skipped++
      return without()
    }
    const outcome = await this.#line.ask(send)
    this.#calls[outcome.result]++
    if ('answer' in outcome) {
      shard.circuit.succeeded()
      return outcome.answer
    }
    if (outcome.result === 'refused') this.#logRefusal(key, outcome.error)
    else this.#failed(shard, outcome.error)
    return without()
  }

  /** Keys for which this is the same may go into one call. */
  shardOf(key: string): string {
    return this.#shards.of(key).name
  }

  /** Whether the part of it that has `key` is left alone: a call would be done without, at once. */
  isLeftAlone(key: string): boolean {
    return this.#shards.of(key).circuit.state === 'open'
  }

  /**
   * `listener` is told of each message on `channel`, and of each time that some may have been missed. What there is to be
   * known is asked for then; messages can be lost.
   *
   * @returns what ends it
   */
  subscribe(channel: string, listener: () => void): () => void {
    return this.#subscriptions.add(channel, () => this.#tell(listener))
  }

  /**
   * `listener` is told the name of each shard that answers again, or has lost what it knew: for what was kept meanwhile to
   * be sent.
   *
   * @returns what ends it
   */
  onRecovered(listener: (shard: string) => void): () => void {
    this.#onRecovered.add(listener)
    return () => this.#onRecovered.delete(listener)
  }

  /** Resolves once it answers for the first time, or after `timeoutMs`. */
  async firstAnswer(timeoutMs: number): Promise<void> {
    if (!this.isImpaired) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const forget = this.onRecovered(() => resolve())
    const timer = setTimeout(resolve, timeoutMs)
    await promise
    clearTimeout(timer)
    forget()
  }

  /** Whether any part of it is left alone at the moment. */
  get isImpaired(): boolean {
    return this.#shards.all().some(({ circuit }) => circuit.state === 'open')
  }

  get counts(): { readonly calls: Readonly<Record<RedisCallResult, number>>; readonly reconnects: number } {
    return { calls: this.#calls, reconnects: this.#line.reconnects }
  }

  get shards(): ShardStatus[] {
    const aheadMs = this.#clock.wallMs() - this.#clock.monotonicMs()
    return this.#shards.all().map(({ name, circuit }) => ({
      name,
      state: circuit.state,
      since: new Date(aheadMs + circuit.sinceMs).toISOString(),
      cause: circuit.cause,
    }))
  }

  /** Ends the connections; calls go without from then on. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#beat)
    for (const { probe } of this.#shards.all()) clearTimeout(probe)
    this.#subscriptions.close()
    this.#line.client.disconnect()
  }

  #failed(shard: Shard, error: Error): void {
    const nowMs = this.#clock.monotonicMs()
    const closedForMs = nowMs - shard.circuit.sinceMs
    const cause = this.#line.causeOf(error)
    if (!shard.circuit.failed(cause, nowMs)) return
    if (closedForMs > SOUND_AFTER_MS) shard.probeDelayMs = 0
    this.#log.warn(
      { shard: shard.name, cause, wasWellForMs: Math.round(closedForMs) },
      'redis is lost: doing without it',
    )
    this.#probeLater(shard)
  }

  /** A defect, or a user that lacks a right: said, but not as often as it happens. */
  #logRefusal(key: string, error: Error): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#refusalsQuietUntilMs) return
    this.#refusalsQuietUntilMs = nowMs + REFUSALS_QUIET_MS
    const { name: command } = (error as { command?: { name?: string } }).command ?? {}
    this.#log.error({ key, command, cause: error.message }, 'redis refuses a command')
  }

  #probeLater(shard: Shard): void {
    shard.probeDelayMs = Math.min(Math.max(shard.probeDelayMs * 2, FIRST_PROBE_DELAY_MS), LONGEST_PROBE_DELAY_MS)
    const jitter = 0.75 + Math.random() / 2
    clearTimeout(shard.probe)
    shard.probe = setTimeout(() => void this.#probeNow(shard), shard.probeDelayMs * jitter)
    shard.probe.unref()
  }

  /**
   * A write, since a replica that answers reads alone is of no use. Of a cluster as a whole, that it knows its masters.
   *
   * Each probe leaves another mark, and finds the one before: a server that was restarted with what it had saved some time
   * ago has an older one. A mark counts from when it is known that it was made: if the answer does not come in time, the
   * next probe finds a shard of which nothing is known.
   */
  async #probe(shard: Shard): Promise<Outcome<'remembers' | 'new' | 'forgot'>> {
    const { client } = this.#line
    if (client instanceof Cluster && shard === this.#shards.whole) {
      return client.status === 'ready'
        ? { result: 'answered', answer: 'remembers' }
        : { result: 'unreachable', error: new Error('Connection is closed.') }
    }
    const before = shard.mark
    const mark = {
      key: this.#shards.keyOn(shard, (tag) => this.key(`probe:${this.#name}:{${tag}}`)),
      value: String(++this.#marks),
    }
    shard.mark = undefined
    const outcome = await this.#line.ask((redis) => redis.set(mark.key, mark.value, 'EX', MARK_EXPIRES_SECONDS, 'GET'))
    if (!('answer' in outcome)) return outcome
    shard.mark = mark
    if (before?.key !== mark.key) return { result: 'answered', answer: 'new' }
    return { result: 'answered', answer: outcome.answer === before.value ? 'remembers' : 'forgot' }
  }

  /** A server that is restarted between two calls comes back unnoticed, and empty. */
  #probeTheWell(): void {
    for (const shard of this.#shards.all()) if (shard.circuit.state === 'closed') void this.#probeWell(shard)
  }

  async #probeWell(shard: Shard): Promise<void> {
    const outcome = await this.#probe(shard)
    if (this.#isClosed) return
    if (!('answer' in outcome)) return this.#failed(shard, outcome.error)
    if (outcome.answer === 'forgot') this.#log.warn({ shard: shard.name }, 'redis has lost what it knew')
    if (outcome.answer !== 'remembers') this.#tellRecovered(shard)
  }

  async #probeNow(shard: Shard): Promise<void> {
    if (shard.circuit.state === 'closed' || this.#isClosed) return
    clearTimeout(shard.probe)
    const outcome = await this.#probe(shard)
    if (this.#isClosed || shard.circuit.state !== 'open') return
    if (outcome.result === 'answered') this.#recovered(shard)
    else {
      this.#logAbsence(shard, outcome.error)
      this.#probeLater(shard)
    }
  }

  #logAbsence({ circuit, name }: Shard, error: Error): void {
    if (this.#isAbsenceLogged || circuit.cause !== NOT_YET) return
    if (this.#clock.monotonicMs() - circuit.sinceMs < ABSENCE_AFTER_MS) return
    this.#isAbsenceLogged = true
    this.#log.warn({ shard: name, cause: this.#line.causeOf(error) }, 'redis is not there: doing without it')
  }

  #recovered(shard: Shard): void {
    const { cause, sinceMs } = shard.circuit
    const nowMs = this.#clock.monotonicMs()
    shard.circuit.close(nowMs)
    this.#log.info({ shard: shard.name, cause, lostForMs: Math.round(nowMs - sinceMs) }, 'redis answers')
    this.#tellRecovered(shard)
  }

  #tellRecovered({ name }: Shard): void {
    for (const listener of [...this.#onRecovered]) this.#tell(() => listener(name))
  }

  /** What listens may be wrong; the next one is told all the same. */
  #tell(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      this.#log.error({ err: error }, 'a listener to redis failed')
    }
  }
}
