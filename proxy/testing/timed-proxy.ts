import { TestPolicies } from './policies.ts'
import { startProxy, type TestProxy } from './start-proxy.ts'
import { startRawUpstream, type TestUpstream } from './start-upstream.ts'

/** Far beyond what any test takes: whatever ends one, it is not this. */
export const NEVER_MS = 600_000

const ENVIRONMENT = {
  UPSTREAM_CONNECT_TIMEOUT_MS: String(NEVER_MS),
  UPSTREAM_HEADERS_TIMEOUT_MS: String(NEVER_MS),
  UPSTREAM_IDLE_TIMEOUT_MS: String(NEVER_MS),
  UPSTREAM_QUEUE_TIMEOUT_MS: String(NEVER_MS),
  CLIENT_IDLE_TIMEOUT_MS: String(NEVER_MS),
}

/** What of an operation a test sets. */
export type TestOperation = Readonly<Record<string, number>>

interface Surroundings {
  readonly environment?: Readonly<Record<string, string>>
  readonly policy?: object
  /** By which the app is reached, where it is not plain http. */
  readonly url?: string
}

/** A proxy of whose operations `read` has these limits, and nothing else any. */
export const startTimed = (
  upstream: TestUpstream,
  read: TestOperation,
  { environment, policy, url = upstream.url }: Surroundings = {},
): Promise<TestProxy> =>
  startProxy(url, { ...ENVIRONMENT, ...environment }, new TestPolicies({ operations: { read }, ...policy }))

/** An app that takes connections and requests, and says nothing. */
export const silent = () => startRawUpstream((socket) => socket.resume())
