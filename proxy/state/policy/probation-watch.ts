import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { Burn } from '../../slo/burn-signal.ts'
import type { PolicyChange, PolicyStore } from './policy-store.ts'
import { withoutDocument } from './policy-version.ts'

const TICK_MS = 1_000
/** How far back one looks for how requests did before a change, and how many it takes to tell. */
const BEFORE_MS = 300_000
const BEFORE_REQUESTS = 50
/** What the audit log and the history call who rolls back by itself. */
const AUTHOR = 'sidegate'

/** How the requests of one version of the policy do, from a time of the wall clock on. */
export interface BurnReading {
  of(version: number, sinceMs: number): Burn
  /** The same, up to now. */
  latest(version: number, sinceMs: number): Promise<Burn>
}

/**
 * Takes a policy back that makes requests fail:
 *
 *     applied ──▶ on probation ──its seconds have passed──▶ in force
 *                     └──its share of bad replies is too great──▶ rolled back to the last version that was not on probation
 *
 * Every instance watches, by the counts of the fleet; compare-and-set lets one of them do it.
 */
export class ProbationWatch {
  readonly #policies: PolicyStore
  readonly #burn: BurnReading
  readonly #log: Logger
  readonly #clock: Clock
  readonly #timer: NodeJS.Timeout
  #rollingBack: Promise<void> | undefined
  /** Said once of each version. */
  #lastInVain: number | undefined

  constructor(policies: PolicyStore, burn: BurnReading, log: Logger, clock: Clock = systemClock) {
    this.#policies = policies
    this.#burn = burn
    this.#log = log
    this.#clock = clock
    this.#timer = setInterval(() => void this.look(), TICK_MS)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#rollingBack
  }

  /** How requests do now; undefined where there are too few to tell. */
  async badShareNow(): Promise<number | undefined> {
    const sinceMs = this.#clock.wallMs() - BEFORE_MS
    const { requests, badShare } = await this.#burn.latest(this.#policies.active.version, sinceMs)
    return requests < BEFORE_REQUESTS ? undefined : badShare
  }

  /** What operators are told of it; undefined where nothing is on probation. */
  status(): Readonly<Record<string, unknown>> | undefined {
    const { probation } = this.#policies
    return probation === undefined
      ? undefined
      : { ...withoutDocument(probation), ...this.#burn.of(this.#policies.active.version, Date.parse(probation.since)) }
  }

  /** Called once a second; resolves once what it has begun has ended. */
  async look(): Promise<void> {
    const { active, probation } = this.#policies
    const sinceMs = probation === undefined ? this.#clock.wallMs() - BEFORE_MS : Date.parse(probation.since)
    // Read without a probation, too: what the others have counted is only known of what has been asked for before.
    const { requests, badShare } = this.#burn.of(active.version, sinceMs)
    if (probation === undefined) return
    const { badShare: tolerance, minimumRequests } = active.policy.probation
    if (requests < minimumRequests || badShare <= probation.badShareBefore + tolerance) return
    const reason = `${percent(badShare)} of ${requests} requests were refused or failed; before, it was ${percent(probation.badShareBefore)}: back to version ${probation.base}`
    this.#rollingBack ??= this.#rollBack(active.version, reason).finally(() => {
      this.#rollingBack = undefined
    })
    await this.#rollingBack
  }

  async #rollBack(version: number, reason: string): Promise<void> {
    const change = await this.#policies.endProbation(version, { author: AUTHOR, reason })
    this.#tell(version, change, reason)
  }

  #tell(version: number, change: PolicyChange, reason: string): void {
    const what = { rolledBackVersion: version, reason }
    switch (change.kind) {
      case 'applied':
        this.#log.warn(
          { audit: 'policy rolled back by itself', author: AUTHOR, policyVersion: change.version, ...what },
          'policy rolled back by itself',
        )
        return
      case 'conflict':
        return // another instance, or an operator, was first
      case 'unavailable':
        return // tried again at the next look
      default:
        if (this.#lastInVain === version) return
        this.#lastInVain = version
        this.#log.error({ ...what, change }, 'a policy that makes requests fail cannot be rolled back')
    }
  }
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`
