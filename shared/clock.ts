/** Time as code under test may be given it. Milliseconds throughout. */
export interface Clock {
  /** Wall-clock time since the Unix epoch; may jump. For stamps that people read. */
  wallMs(): number
  /** Time since an arbitrary start; never goes back. For measuring and for deadlines. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
