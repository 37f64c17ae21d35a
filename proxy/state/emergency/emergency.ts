import { randomBytes } from 'node:crypto'
import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import { type FleetDocument, fleetDocument } from '#shared/redis/fleet-document.ts'
import type { Version } from '#shared/redis/shared-document.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import type { EmergencyOrder, PassedOrder } from './emergency-order.ts'
import { type EmergencyRecord, type Known, type Moment, parseRecord, recordOf, standingOf } from './emergency-record.ts'
import type { EmergencyReading, EmergencyState } from './emergency-state.ts'
import { AUTHOR, CAUSES, type EmergencyStatus, isSame, NOTHING_YET, toldOf } from './emergency-status.ts'
import { CALM, type Cause, type MachineRules, ordered, type Standing, step } from './machine.ts'
import { inWords, type Pressure, pressureOf, type Reading, readings, type Signals } from './pressure.ts'
import { isStricter, reconciled } from './reconcile.ts'

const NAME = 'emergency'
/** Kept for looking back. */
const HISTORY_LIMIT = 50
/** How often an order is tried again when somebody else changes something at the same moment. */
const ATTEMPTS = 5

/** What it decides by. */
export interface EmergencySurroundings {
  readonly policies: { readonly active: CompiledPolicy }
  readonly signals: { now(): Signals; readonly isWhole: boolean }
  /** Where this process takes no traffic itself: who is to hear of orders that the fleet cannot be told of. */
  readonly passOn?: (order: PassedOrder) => void
}

/**
 * The emergency of the fleet, as this instance knows it. Whoever sees that something is to change proposes it; of several,
 * one is first. While Redis is lost an instance changes what is its own, alone, and the two are brought together
 * afterwards (reconcile.ts).
 */
export class FleetEmergency implements EmergencyReading {
  /** Read by each request. */
  state: EmergencyState = 'calm'
  readonly #instanceId: string
  readonly #around: EmergencySurroundings
  readonly #log: Logger
  readonly #clock: Clock
  readonly #document: FleetDocument
  readonly #forget: (() => void) | undefined
  #fleet: Known = { record: NOTHING_YET, standing: CALM }
  /** What was changed here without the fleet. */
  #own: Known | undefined
  #untold: PassedOrder | undefined
  #shown: EmergencyRecord = NOTHING_YET
  /** Whether a version that is new here is new to the fleet, too. */
  #isCaughtUp = false
  /** Since when something less strict is wanted here, and the fleet cannot be asked. */
  #inVainSinceMs: number | undefined
  #last: Promise<unknown> = Promise.resolve()
  #looking: Promise<void> | undefined

  constructor(
    redis: RedisGuard | undefined,
    instanceId: string,
    around: EmergencySurroundings,
    log: Logger,
    clock: Clock = systemClock,
  ) {
    this.#instanceId = instanceId
    this.#around = around
    this.#log = log
    this.#clock = clock
    const settings = { name: NAME, historyLimit: HISTORY_LIMIT }
    this.#document = fleetDocument(redis, settings, log, (current) => this.#take(current))
    this.#forget = redis?.onRecovered(() => void this.look())
  }

  /** Learns how things are, and goes on learning until it is closed. */
  async open(): Promise<void> {
    await this.#document.open()
    this.#isCaughtUp ||= await this.#document.refresh()
  }

  async close(): Promise<void> {
    this.#forget?.()
    this.#document.close()
    await this.#last
  }

  get status(): EmergencyStatus {
    return toldOf(this.#known.record, this.#own === undefined)
  }

  /** An order that the fleet has not been told of yet, for processes that start meanwhile. */
  get untold(): PassedOrder | undefined {
    return this.#own === undefined ? undefined : this.#untold
  }

  /** Newest first. */
  async history(): Promise<readonly EmergencyStatus[]> {
    const versions = await this.#document.history()
    return [
      ...(this.#own === undefined ? [] : [toldOf(this.#own.record, false)]),
      ...versions.flatMap(({ body }) => {
        const record = parseRecord(body)
        return record === undefined ? [] : [toldOf(record, true)]
      }),
    ]
  }

  /** The signals, beside what they are held against. */
  readings(): readonly Reading[] {
    return readings(this.#around.signals.now(), this.#around.policies.active.policy.emergency)
  }

  /** Does what is to be done now. Called twice a second; resolves once that is done. */
  look(): Promise<void> {
    this.#looking ??= this.#inTurn(() => this.#look()).finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /** Holds here at once, and in the fleet within a second. @returns whether the fleet could be told; where not, it will be */
  order(order: EmergencyOrder): Promise<boolean> {
    return this.#inTurn(async () => {
      const passed = { ...order, id: newId(), orderedAtMs: this.#orderTimeMs() }
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const outcome = await this.#propose(this.#orderedHere(passed))
        if (outcome === 'accepted') return true
        if (outcome === 'in vain') break
      }
      this.#standAlone(this.#orderedHere(passed))
      this.#untold = passed
      this.#around.passOn?.(passed)
      return false
    })
  }

  /** The same of an order that another process of this machine could not tell the fleet. */
  follow(order: PassedOrder): Promise<void> {
    return this.#inTurn(async () => {
      if (order.orderedAtMs > this.#known.record.orderedAtMs) this.#standAlone(this.#orderedHere(order))
    })
  }

  get #known(): Known {
    return this.#own ?? this.#fleet
  }

  get #moment(): Moment {
    return { wallMs: this.#clock.wallMs(), monotonicMs: this.#clock.monotonicMs() }
  }

  get #rules(): MachineRules {
    const { isAutomatic, minimumSeconds, maximumSeconds } = this.#around.policies.active.policy.emergency
    return { isAutomatic, minimumMs: minimumSeconds * 1_000, maximumMs: maximumSeconds * 1_000 }
  }

  async #look(): Promise<void> {
    await this.#reconcile()
    const found = this.readings()
    const known = this.#known
    const move = step(known.standing, this.#pressure(found), this.#clock.monotonicMs(), this.#rules)
    if (move === undefined || !this.#isOurs(move.cause)) {
      this.#inVainSinceMs = undefined
      return
    }
    const { orderedAtMs } = known.record
    const why = `${CAUSES[move.cause]}: ${inWords(found)}`
    const made = this.#made(move.to, { id: newId(), by: AUTHOR, why, orderedAtMs })
    if (this.#own !== undefined) this.#standAlone(made)
    // What has been heard meanwhile is decided about at the next look.
    else if ((await this.#propose(made)) === 'in vain' && this.#known === known) this.#moveAlone(made)
  }

  /** What is missing of the signals must not be taken for calm. */
  #pressure(found: readonly Reading[]): Pressure {
    const pressure = pressureOf(found)
    return pressure === 'low' && !this.#around.signals.isWhole ? 'between' : pressure
  }

  /** Who takes no traffic sees the signals of others alone: what those decide by them is theirs. */
  #isOurs(cause: Cause): boolean {
    return this.#around.passOn === undefined || cause === 'order-ended'
  }

  /** A Redis that comes and goes must not make an instance do so: what is less strict, it does alone after a dwell only. */
  #moveAlone(made: Known): void {
    const nowMs = this.#clock.monotonicMs()
    this.#inVainSinceMs ??= nowMs
    const isLessStrict = isStricter(this.#fleet.standing.state, made.standing.state)
    if (!isLessStrict || nowMs - this.#inVainSinceMs >= this.#rules.minimumMs) this.#standAlone(made)
  }

  async #reconcile(): Promise<void> {
    if (this.#own === undefined || !(await this.#document.refresh())) return
    const { monotonicMs } = this.#moment
    // Asked again: what was refreshed may have settled it.
    const own: Known | undefined = this.#own
    if (own === undefined) return
    switch (reconciled(own, this.#fleet, monotonicMs, this.#rules.minimumMs)) {
      case 'adopt':
        this.#own = undefined
        // A change is a change, whoever has made it: from here on there is a dwell to keep.
        if (own.standing.state !== this.#fleet.standing.state) this.#fleet = restarted(this.#fleet, monotonicMs)
        this.#show()
        return
      case 'tell':
        await this.#propose(this.#made(restarted(own, monotonicMs).standing, own.record))
        return
      case 'wait':
        return
    }
  }

  async #propose({ record }: Known): Promise<'accepted' | 'conflict' | 'in vain'> {
    const proposal = await this.#document.propose(this.#document.current?.version ?? 0, JSON.stringify(record))
    if (proposal.kind === 'accepted' || proposal.kind === 'conflict') {
      this.#isCaughtUp = true
      return proposal.kind
    }
    return 'in vain'
  }

  #orderedHere({ mode, by, reason, seconds, id, orderedAtMs }: PassedOrder): Known {
    const nowMs = this.#clock.monotonicMs()
    const untilMs = seconds === undefined ? undefined : nowMs + seconds * 1_000
    const why = reason ?? 'no reason was given'
    return this.#made(ordered(this.#known.standing, mode, nowMs, untilMs), { id, by, why, orderedAtMs })
  }

  /** Later than any that is known, whatever the clock says. */
  #orderTimeMs(): number {
    return Math.max(this.#clock.wallMs(), this.#known.record.orderedAtMs + 1)
  }

  #made(standing: Standing, author: Pick<EmergencyRecord, 'id' | 'by' | 'why' | 'orderedAtMs'>): Known {
    return { standing, record: recordOf(standing, { ...author, instance: this.#instanceId }, this.#moment) }
  }

  #standAlone(made: Known): void {
    this.#own = made
    this.#inVainSinceMs = undefined
    this.#show()
  }

  #take({ version, body }: Version): void {
    const record = parseRecord(body)
    if (record === undefined) {
      this.#log.error({ version }, 'what is in Redis is no record of an emergency: going on as before')
      return
    }
    this.#fleet = { record, standing: standingOf(record, this.#moment, !this.#isCaughtUp) }
    this.#isCaughtUp = true
    const own = this.#own?.record
    if (own !== undefined && (own.id === record.id || own.orderedAtMs < record.orderedAtMs)) this.#own = undefined
    this.#show()
  }

  /** What is known is what requests are told from now on. */
  #show(): void {
    const { record, standing } = this.#known
    const before = this.#shown
    this.#shown = record
    this.state = standing.state
    if (before.id === record.id || isSame(before, record)) return
    const { state, mode, until, by, instance, why } = record
    const line = { state, from: before.state, mode, until, by, changedBy: instance, why }
    const isEntering = state === 'emergency' && before.state !== 'emergency'
    this.#log[isEntering ? 'warn' : 'info'](
      { ...line, isFleetTold: this.#own === undefined },
      isEntering ? 'emergency begins' : 'emergency changes',
    )
  }

  /** One after the other: each decides by what the one before has come to. */
  #inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined) // told to who waits for it
    return turn
  }
}

const restarted = ({ record, standing }: Known, sinceMs: number): Known => ({
  record,
  standing: { ...standing, sinceMs },
})

const newId = (): string => randomBytes(9).toString('base64url')
