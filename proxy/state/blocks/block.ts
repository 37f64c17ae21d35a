/** An address or a range that gets 403, as the fleet has it. All times are of the wall clock. */
export interface Block {
  /** As {@link formatCidr} has it. */
  readonly range: string
  /** `auto`: by the ladder; `manual`: by an operator. */
  readonly source: 'auto' | 'manual'
  /** The name of the operator's token; `sidegate` for the ladder. */
  readonly author: string
  readonly reason: string
  readonly sinceMs: number
  /** Infinity for one without an end. */
  readonly untilMs: number
  /** Until then a block that has ended is remembered, so that the next one is longer; not before `untilMs`. */
  readonly forgetAtMs: number
  /** How many times in a row it has been blocked, this one included. */
  readonly count: number
  /** Orders what is done to one range: greater is later. */
  readonly stamp: number
}
