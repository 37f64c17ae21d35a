/** What connections to the app, and those who wait for one, may take. */
export interface UpstreamLimits {
  /** Connections to the app at once. */
  readonly connections: number
  /** Exchanges that may wait for a connection, beside those for which one is being opened; more are refused. */
  readonly queueLength: number
  /** The longest that one may wait for a connection. */
  readonly queueTimeoutMs: number
  /** To open a connection. */
  readonly connectTimeoutMs: number
  /** From the last byte of the request that the app took to the head of the reply. */
  readonly headersTimeoutMs: number
  /** Of a reply's header section. */
  readonly headerBytes: number
  /** Between two pieces of the reply's body, while the client reads. */
  readonly bodyIdleTimeoutMs: number
  /** Idle connections are closed after this: below the app's own keep-alive, or it closes first and races us. */
  readonly keepAliveTimeoutMs: number
}

/**
 * What a call may wait for, where it says. Where it does not, what all connections may counts: an operation of the policy
 * comes before the environment, and nothing else has a say.
 */
export interface CallTimeouts {
  readonly connectTimeoutMs?: number | undefined
  readonly headersTimeoutMs?: number | undefined
  readonly idleTimeoutMs?: number | undefined
}

export const connectTimeoutMs = (call: CallTimeouts, limits: Pick<UpstreamLimits, 'connectTimeoutMs'>): number =>
  call.connectTimeoutMs ?? limits.connectTimeoutMs

export const headersTimeoutMs = (call: CallTimeouts, limits: Pick<UpstreamLimits, 'headersTimeoutMs'>): number =>
  call.headersTimeoutMs ?? limits.headersTimeoutMs

export const bodyIdleTimeoutMs = (call: CallTimeouts, limits: UpstreamLimits): number =>
  call.idleTimeoutMs ?? limits.bodyIdleTimeoutMs
