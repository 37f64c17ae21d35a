import type { Facts } from '../../layer.ts'

/** One thing that a client was refused for, and that leads to a block when there are many. */
export interface Violation {
  /** ISO 8601. */
  readonly at: string
  readonly kind: 'rate-limited' | 'challenge-failed'
  /** Which limits, or what was wrong with an answer. */
  readonly what: string
  readonly method: string
  readonly path: string
  readonly route?: string | undefined
}

/** What is told of violations. */
export interface ViolationSink {
  record(facts: Facts, kind: Violation['kind'], what: string): void
  /** Whether a client is on the way to a block, or has been blocked not long ago, as far as this instance has refused it. */
  isSuspicious(facts: Facts): boolean
}

/** For a candidate in shadow: what it would refuse is nobody's violation. */
export const NO_VIOLATIONS: ViolationSink = { record: () => undefined, isSuspicious: () => false }
