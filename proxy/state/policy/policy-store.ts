import { type Clock, systemClock } from '#shared/clock.ts'
import type { DocumentProblem } from '#shared/document-problem.ts'
import type { Logger } from '#shared/log.ts'
import { type FleetDocument, fleetDocument } from '#shared/redis/fleet-document.ts'
import type { Version } from '#shared/redis/shared-document.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { type CompiledPolicy, compilePolicy } from './compile.ts'
import { type Difference, differences, differencesForLog, unmasked } from './differences.ts'
import { type PolicyVersion, type Probation, parseVersion, versionBody } from './policy-version.ts'
import { readPolicy } from './read.ts'
import type { Policy } from './schema.ts'

/** Kept for looking back, and for going back. */
const HISTORY_LIMIT = 50

/** Who changes it, and why. */
export interface PolicyAuthor {
  readonly author: string
  readonly reason?: string
}

/** How a change is watched. */
export interface ChangeWatch {
  readonly isOnProbation: boolean
  /** The share of refused and failed replies now; undefined where there were too few to tell. */
  readonly badShareNow: number | undefined
}

/** Not at all: what an operator goes back to is known. */
const UNWATCHED: ChangeWatch = { isOnProbation: false, badShareNow: undefined }

/** What became of a change. */
export type PolicyChange =
  | { readonly kind: 'applied'; readonly version: number; readonly differences: readonly Difference[] }
  | { readonly kind: 'invalid'; readonly problems: readonly DocumentProblem[] }
  /** Somebody else was first: `version` is theirs. */
  | { readonly kind: 'conflict'; readonly version: number }
  /** Redis cannot be asked at the moment, or is being filled again after a loss. */
  | { readonly kind: 'unavailable' }
  /** There is no such version to go back to. */
  | { readonly kind: 'unknown' }

/** What a document would change. */
export type PolicyTrial =
  | {
      readonly kind: 'valid'
      /** As it was given, with secrets in the place of the masks that this process has put on them. */
      readonly document: unknown
      readonly policy: Policy
      readonly differences: readonly Difference[]
    }
  | { readonly kind: 'invalid'; readonly problems: readonly DocumentProblem[] }

/** A version that this instance cannot use, e.g. since it is of a later release; it goes on with the one that it has. */
export interface RefusedVersion {
  readonly version: number
  readonly problems: readonly DocumentProblem[]
}

/**
 * The policy that is in force, and the way to another one:
 *
 *     file at the start (version 0) ──▶ active ◀── versions 1, 2, … of the whole fleet, by Redis
 *
 * A version is validated whole, compiled, and swapped in one assignment. A request keeps the one that it began with.
 */
export class PolicyStore {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #document: FleetDocument
  readonly #initial: PolicyVersion
  #active: CompiledPolicy
  /** As its author wrote it. */
  #activeDocument: unknown
  #probation: Probation | undefined
  /** As it was before the active version. */
  #badShareBefore = 0
  #refused: RefusedVersion | undefined

  /** @param initial what was read at the start, and the document that it was read from */
  constructor(
    initial: { readonly policy: Policy; readonly document: unknown; readonly author: string },
    redis: RedisGuard | undefined,
    log: Logger,
    clock: Clock = systemClock,
  ) {
    this.#log = log
    this.#clock = clock
    this.#active = compilePolicy(0, initial.policy)
    this.#activeDocument = initial.document
    this.#initial = { version: 0, document: initial.document, author: initial.author, at: this.#now() }
    const settings = { name: 'policy', historyLimit: HISTORY_LIMIT }
    this.#document = fleetDocument(redis, settings, log, (current) => this.#take(current))
  }

  /** What requests are to obey, now. */
  get active(): CompiledPolicy {
    return this.#active
  }

  /** How the active version is watched; undefined where it is not, or not any more. */
  get probation(): (Probation & { readonly badShareBefore: number }) | undefined {
    if (this.#probation === undefined || Date.parse(this.#probation.until) <= this.#clock.wallMs()) return undefined
    return { ...this.#probation, badShareBefore: this.#badShareBefore }
  }

  /** The newest version, where this instance cannot use it. */
  get refused(): RefusedVersion | undefined {
    return this.#refused
  }

  /** The version that a change must be made from. */
  get newestVersion(): number {
    return this.#document.current?.version ?? 0
  }

  /** Learns what the fleet has agreed on, and goes on learning until it is closed. */
  open(): Promise<void> {
    return this.#document.open()
  }

  close(): void {
    this.#document.close()
  }

  /** What a change would do, without doing it. */
  try(document: unknown): PolicyTrial {
    const whole = unmasked(document, this.#active.policy)
    const reading = readPolicy(whole)
    if (reading.kind === 'bad') return { kind: 'invalid', problems: reading.problems }
    const { policy } = reading
    return { kind: 'valid', document: whole, policy, differences: differences(this.#active.policy, policy) }
  }

  /**
   * Puts another policy in force, here at once and in the fleet within a second, if `expected` is still the newest version.
   * A document with a problem changes nothing.
   */
  async apply(
    expected: number,
    document: unknown,
    by: PolicyAuthor,
    { isOnProbation, badShareNow }: ChangeWatch = UNWATCHED,
  ): Promise<PolicyChange> {
    const tried = this.try(document)
    if (tried.kind === 'invalid') return tried
    // What is on probation is no measure for what comes after it.
    const badShareBefore = this.probation === undefined ? (badShareNow ?? this.#badShareBefore) : this.#badShareBefore
    const probation = isOnProbation ? this.#probationOf(tried.policy) : undefined
    const at = this.#now()
    const body = versionBody({
      document: tried.document,
      ...by,
      at,
      badShareBefore,
      ...(probation !== undefined && { probation }),
    })
    const proposal = await this.#document.propose(expected, body)
    switch (proposal.kind) {
      case 'accepted':
        return { kind: 'applied', version: proposal.version, differences: tried.differences }
      case 'conflict':
        return { kind: 'conflict', version: proposal.current?.version ?? 0 }
      default:
        return { kind: 'unavailable' }
    }
  }

  /** Puts the document of an earlier version in force again, as a new version, which is not on probation. */
  async rollBack(expected: number, to: number, by: PolicyAuthor): Promise<PolicyChange> {
    const wanted = (await this.history()).find(({ version }) => version === to)
    if (wanted === undefined) return { kind: 'unknown' }
    return this.apply(expected, wanted.document, { reason: `back to version ${to}`, ...by })
  }

  /** Goes back to what was before the version that is on probation. */
  async endProbation(expected: number, by: PolicyAuthor): Promise<PolicyChange> {
    const { probation } = this
    if (probation === undefined || this.#active.version !== expected) return { kind: 'unknown' }
    return this.apply(expected, probation.baseDocument, by)
  }

  /** Newest first; the last is what this instance was started with. */
  async history(): Promise<readonly PolicyVersion[]> {
    const versions = await this.#document.history()
    return [...versions.flatMap((version) => parseVersion(version) ?? []), this.#initial]
  }

  #take(current: Version): void {
    const found = parseVersion(current)
    const reading =
      found === undefined
        ? { kind: 'bad' as const, problems: [{ path: '', message: 'what is in Redis is no version of a policy' }] }
        : readPolicy(found.document)
    if (reading.kind === 'bad') {
      this.#refused = { version: current.version, problems: reading.problems }
      this.#log.error(
        { policyVersion: current.version, problems: reading.problems, runningVersion: this.#active.version },
        'policy refused: going on with the one that is running',
      )
      return
    }
    const before = this.#active
    this.#refused = undefined
    this.#active = compilePolicy(current.version, reading.policy)
    this.#activeDocument = found?.document
    this.#probation = found?.probation
    this.#badShareBefore = found?.badShareBefore ?? 0
    this.#log.info(
      {
        policyVersion: current.version,
        author: found?.author,
        ...(found?.reason !== undefined && { reason: found.reason }),
        ...differencesForLog(differences(before.policy, reading.policy)),
      },
      'policy changed',
    )
  }

  /** A change of what is on probation goes back to what was before both. */
  #probationOf({ probation: { seconds } }: Policy): Probation | undefined {
    if (seconds === 0) return undefined
    const until = new Date(this.#clock.wallMs() + seconds * 1_000).toISOString()
    const { base, baseDocument } = this.probation ?? {
      base: this.#active.version,
      baseDocument: this.#activeDocument,
    }
    return { since: this.#now(), until, base, baseDocument }
  }

  #now(): string {
    return new Date(this.#clock.wallMs()).toISOString()
  }
}
