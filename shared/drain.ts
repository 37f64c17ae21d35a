/** Work that a drain waits for. */
export interface InFlight {
  readonly requests: number
  /** WebSockets and other upgraded connections. */
  readonly upgrades: number
  readonly longestMs: number
}

/**
 * How a server is wound down: `open → closing connections as they fall idle → cut`. It knows what is in flight, so that
 * a drain waits for no less and, at its deadline, can say what it cut.
 */
export interface Drain {
  inFlight(): InFlight
  /** From now on each reply is its connection's last. */
  closeAfterReplies(): void
  /** Stops listening; what is connected stays so. */
  stopAccepting(): void
  /** Closes connections with no request on them. */
  closeIdle(): void
  /** Destroys whatever is left. */
  cut(): void
}
