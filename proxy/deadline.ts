/** When an exchange must be over; monotonic milliseconds throughout. */
export interface Deadline {
  readonly atMs: number
  /** Whether the caller has set it, so that nobody else is late. */
  readonly isCallers: boolean
}

/** What a deadline is made of. */
export interface DeadlineParts {
  /** When the first byte of the request came. */
  readonly firstByteAtMs: number
  /** When the last of its head had come, with what the caller says of the time that is left. */
  readonly headAtMs: number
  /** Of the operation, from the first byte on; undefined where it has none. */
  readonly totalMs: number | undefined
  /** Of a caller that is trusted, from the head on; undefined where it says none. */
  readonly callersMs: number | undefined
}

/** The earlier of ours and the caller's; never, where there is neither. */
export const deadlineOf = ({ firstByteAtMs, headAtMs, totalMs, callersMs }: DeadlineParts): Deadline => {
  const oursAtMs = firstByteAtMs + (totalMs ?? Number.POSITIVE_INFINITY)
  const callersAtMs = headAtMs + (callersMs ?? Number.POSITIVE_INFINITY)
  return callersAtMs < oursAtMs ? { atMs: callersAtMs, isCallers: true } : { atMs: oursAtMs, isCallers: false }
}

/** What is said to the app: whole milliseconds, never more than there are but for the last one, as 0 would say that it is over. */
export const remainingMs = (deadlineAtMs: number, nowMs: number): number =>
  Math.max(1, Math.floor(deadlineAtMs - nowMs))
