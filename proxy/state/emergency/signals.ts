import { type Clock, systemClock } from '#shared/clock.ts'
import type { SharedCounts } from '#shared/redis/shared-counts.ts'
import type { Outcome } from '../../outcome.ts'
import type { Signals } from './pressure.ts'

const BUCKET_MS = 2_000
/** The one that is being filled, and those before it. */
const BUCKETS = 5
const WINDOW_MS = BUCKETS * BUCKET_MS
/** Looks at the load, of all instances, that make a share: five seconds of one alone. A moment is no saturation. */
const SAMPLES = 10
/** A process that has just been started is busy with itself. */
const WARM_UP_MS = 10_000
/** Of a count in Redis: clocks of instances may differ. */
const COUNT_LIFE_MS = 3 * WINDOW_MS

/** Whole numbers, so that they can be added up over a fleet; shares in thousandths. */
const KINDS = ['violations', 'requests', 'errors', 'busy', 'queue', 'samples'] as const
type Sums = Record<(typeof KINDS)[number], number>

interface Bucket {
  /** Its number, since the clock began. */
  bucket: number
  sums: Sums
}

/** What is measured, and not counted: shares since the last look. */
export interface Load {
  busyShare(): number
  queueShare(): number
}

/** The rest of the fleet. */
export interface Others {
  /** Whether their counts come. */
  readonly isHeard: boolean
  /** Living instances, this one included. */
  readonly size: number
}

/**
 * How the fleet does, over the last ten seconds. An exchange costs an increment or two at its end; twice a second they are
 * handed on. Without Redis, or while it is lost, an instance takes itself for one of as many that all do as it does.
 */
export class EmergencySignals {
  readonly #counts: SharedCounts
  readonly #others: Others
  readonly #clock: Clock
  /** Not handed on yet. */
  #violations = 0
  #requests = 0
  #errors = 0
  /** This instance's own, by the number of the bucket modulo their count. */
  readonly #own: Bucket[] = Array.from({ length: BUCKETS }, () => ({ bucket: Number.NEGATIVE_INFINITY, sums: none() }))
  readonly #warmAtMs: number
  #wasHeard: boolean
  #changedAtMs: number

  constructor(counts: SharedCounts, others: Others, clock: Clock = systemClock) {
    this.#counts = counts
    this.#others = others
    this.#clock = clock
    this.#wasHeard = others.isHeard
    this.#changedAtMs = clock.monotonicMs()
    this.#warmAtMs = clock.monotonicMs() + WARM_UP_MS
    for (const bucket of this.#bucketsOfFleet()) this.#ask(bucket)
  }

  /**
   * Called at the end of each exchange. What the policy or the client is to blame for is no failure of the app. Nor is our own queue
   * for it, when it is full: how full it is, is a signal of its own.
   *
   * @param isAppGivenRest whether the circuit is not closed: a failure then tells of no emergency. To ask readers for puzzles as well would make an
   *   outage longer for those who cannot solve any
   */
  count({ kind, status, refusal }: Outcome, isAppGivenRest: boolean): void {
    if (refusal?.kind === 'rate-limited') {
      this.#violations++
      return
    }
    const isOfTheApp = refusal === undefined ? kind === 'replied' : refusal.text.fault === 'app'
    const isFailure = refusal !== undefined || status >= 500
    if (!isOfTheApp || (isFailure && isAppGivenRest)) return
    this.#requests++
    if (isFailure) this.#errors++
  }

  /** Hands on what was counted and measured since it was called last. @param load undefined for who takes no traffic */
  take(load: Load | undefined): void {
    const [busyShare, queueShare] = [load?.busyShare(), load?.queueShare()]
    const isMeasured = load !== undefined && this.#clock.monotonicMs() >= this.#warmAtMs
    const sums: Sums = {
      ...{ violations: this.#violations, requests: this.#requests, errors: this.#errors },
      busy: isMeasured ? thousandths(busyShare) : 0,
      queue: isMeasured ? thousandths(queueShare) : 0,
      samples: isMeasured ? 1 : 0,
    }
    this.#violations = 0
    this.#requests = 0
    this.#errors = 0
    const own = this.#ownBucket()
    const [bucket = 0, before = 0] = this.#bucketsOfFleet()
    for (const kind of KINDS) {
      own[kind] += sums[kind]
      this.#counts.add(keyOf(bucket, kind), sums[kind], COUNT_LIFE_MS)
    }
    this.#ask(before) // others may have added to it since
    if (this.#others.isHeard !== this.#wasHeard) {
      this.#wasHeard = this.#others.isHeard
      this.#changedAtMs = this.#clock.monotonicMs()
    }
  }

  /** As far as it is known here. */
  now(): Signals {
    return this.#others.isHeard ? this.#ofFleet() : this.#ofOwn()
  }

  /** Whether they are known of all ten seconds: what is missing would look like calm. */
  get isWhole(): boolean {
    return this.#clock.monotonicMs() - this.#changedAtMs >= WINDOW_MS
  }

  #ofFleet(): Signals {
    const buckets = this.#bucketsOfFleet()
    const sum = (kind: keyof Sums) =>
      buckets.reduce((total, bucket) => total + this.#counts.total(keyOf(bucket, kind)), 0)
    return signalsOf(sum, spanMs(this.#clock.wallMs()), 1)
  }

  #ofOwn(): Signals {
    const nowMs = this.#clock.monotonicMs()
    const first = Math.floor(nowMs / BUCKET_MS) - BUCKETS + 1
    const living = this.#own.filter(({ bucket }) => bucket >= first)
    const sum = (kind: keyof Sums) => living.reduce((total, { sums }) => total + sums[kind], 0)
    return signalsOf(sum, spanMs(nowMs), this.#others.size)
  }

  #ownBucket(): Sums {
    const bucket = Math.floor(this.#clock.monotonicMs() / BUCKET_MS)
    const place = this.#own[bucket % BUCKETS] as Bucket
    if (place.bucket !== bucket) Object.assign(place, { bucket, sums: none() })
    return place.sums
  }

  /** Newest first. */
  #bucketsOfFleet(): number[] {
    const last = Math.floor(this.#clock.wallMs() / BUCKET_MS)
    return Array.from({ length: BUCKETS }, (_none, index) => last - index)
  }

  /** What others have counted is only told of what was asked for. */
  #ask(bucket: number): void {
    for (const kind of KINDS) this.#counts.add(keyOf(bucket, kind), 0, COUNT_LIFE_MS)
  }
}

const none = (): Sums => ({ violations: 0, requests: 0, errors: 0, busy: 0, queue: 0, samples: 0 })

const keyOf = (bucket: number, kind: keyof Sums): string => `${bucket}:${kind}`

const thousandths = (share: number = 0): number => Math.round(Math.min(1, Math.max(0, share)) * 1_000)

/** The time that the buckets cover: the newest one has just begun. */
const spanMs = (nowMs: number): number => (BUCKETS - 1) * BUCKET_MS + (nowMs % BUCKET_MS)

const signalsOf = (sum: (kind: keyof Sums) => number, overMs: number, instances: number): Signals => {
  const requests = sum('requests')
  const samples = Math.max(SAMPLES, sum('samples'))
  // Kinds come one after the other: of a moment in between there may be more of a part than of the whole.
  const share = (part: number, whole: number) => (whole === 0 ? 0 : Math.min(1, part / whole))
  return {
    violationsPerSecond: (sum('violations') * instances * 1_000) / overMs,
    requests: requests * instances,
    errorShare: share(sum('errors'), requests),
    busyShare: share(sum('busy'), samples * 1_000),
    queueShare: share(sum('queue'), samples * 1_000),
  }
}

/** Of the time since it was asked last, how much of it this process's loop was busy. */
export const busyMeter = (): (() => number) => {
  let last = performance.eventLoopUtilization()
  return () => {
    const before = last
    last = performance.eventLoopUtilization()
    return performance.eventLoopUtilization(last, before).utilization
  }
}
