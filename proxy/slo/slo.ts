import { type Clock, systemClock } from '#shared/clock.ts'
import { BadExamples } from './bad-examples.ts'
import type { FleetHistory } from './fleet-history.ts'
import { RESOLUTIONS, type Resolution } from './history.ts'
import { Recorder } from './recorder.ts'
import { kindOf } from './verdict.ts'

const { slotMs: FINEST_MS } = RESOLUTIONS[0] as Resolution

/** Series of operations and objectives have names of their own: an operator may call one of each the same. */
export const operationSeries = (name: string): string => `operation/${name}`
export const objectiveSeries = (name: string): string => `objective/${name}`

/** How exchanges do, by operation and by objective: counted here in plain numbers, and added to what the fleet has counted. */
export class Slo {
  readonly history: FleetHistory
  readonly badExamples = new BadExamples()
  readonly #operations = new Recorder()
  readonly #objectives = new Recorder()
  readonly #clock: Clock
  #slotWallMs: number
  #slotEndsAtMs = 0

  constructor(history: FleetHistory, clock: Clock = systemClock) {
    this.history = history
    this.#clock = clock
    this.#slotWallMs = clock.wallMs()
    this.#beginSlot()
    history.collect = () => this.collect()
  }

  /**
   * Called at the end of each exchange.
   *
   * @param verdict of VERDICTS
   * @param latencyMs until the head of the reply went out
   * @param thresholdMs of the objective
   * @param atMs monotonic
   * @param correlationId kept where it was not as promised
   */
  record(
    operation: string,
    objective: string | undefined,
    verdict: number,
    latencyMs: number,
    thresholdMs: number | undefined,
    atMs: number,
    correlationId: string,
  ): void {
    if (atMs >= this.#slotEndsAtMs) this.collect()
    this.#operations.record(operation, verdict, latencyMs)
    if (objective === undefined) return
    this.#objectives.record(objective, verdict, latencyMs, thresholdMs)
    const kind = kindOf(verdict)
    if (kind === 'bad') this.badExamples.note(objective, 'availability', correlationId)
    else if (kind === 'good' && thresholdMs !== undefined && latencyMs > thresholdMs)
      this.badExamples.note(objective, 'latency', correlationId)
  }

  /** Adds what has been counted to the slot of time that it was counted in. */
  collect(): void {
    for (const { name, counts } of this.#operations.take())
      this.history.add(operationSeries(name), this.#slotWallMs, counts)
    for (const { name, counts } of this.#objectives.take())
      this.history.add(objectiveSeries(name), this.#slotWallMs, counts)
    this.#beginSlot()
  }

  /** What this process has counted since its start, by name and by place. */
  totals(of: 'operation' | 'objective'): ReadonlyMap<string, Float64Array> {
    this.collect()
    return (of === 'operation' ? this.#operations : this.#objectives).totals
  }

  #beginSlot(): void {
    this.#slotWallMs = this.#clock.wallMs()
    this.#slotEndsAtMs = this.#clock.monotonicMs() + FINEST_MS - (this.#slotWallMs % FINEST_MS)
  }
}
