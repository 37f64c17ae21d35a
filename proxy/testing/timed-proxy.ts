import { onTestFinished } from 'vitest'
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

/** A proxy of whose operations `read` has these limits, and nothing else any. It ends with the test, and the app after it. */
export const startTimed = async (
  upstream: TestUpstream,
  read: TestOperation,
  { environment, policy, url = upstream.url }: Surroundings = {},
): Promise<TestProxy> => {
  onTestFinished(() => upstream.close()) // hooks run in the reverse order
  const policies = new TestPolicies({ operations: { read }, ...policy })
  const proxy = await startProxy(url, { ...ENVIRONMENT, ...environment }, policies)
  onTestFinished(() => proxy.close())
  return proxy
}

/** The line of an exchange that did not end well. */
export const ended = (proxy: TestProxy) => proxy.line(({ outcome }) => outcome === 'refused' || outcome === 'cut')

/** An app that takes connections and requests, and says nothing. */
export const silent = () => startRawUpstream((socket) => socket.resume())
