import type { SystemTool } from '../../../deploy/local/system-tools.ts'
import type { Child, Children } from '../children.ts'
import type { Upstream } from '../upstream.ts'

/** How a peer reaches the upstream. */
export type UpstreamKind = 'tcp' | 'unix'

/** What a peer is started with. It listens on `127.0.0.1:port`. */
export interface PeerStart {
  readonly children: Children
  /** Of its own, and empty. */
  readonly folder: string
  readonly cpus: string
  readonly port: number
  readonly upstream: Upstream
  readonly kind: UpstreamKind
}

/**
 * A proxy to measure. Each does the same work as far as it can: it takes or mints X-Request-ID, for the app and on the
 * reply, replaces X-Forwarded-For, -Host and -Proto, keeps connections to the app, and writes no access log.
 */
export interface Peer {
  readonly name: string
  /** A program that npm does not bring. */
  readonly tool?: SystemTool
  /** Whether its code has to be warmed before it runs at its speed. */
  readonly isJit: boolean
  /** Whether it moves bytes without reading them, so that it sets no header. */
  readonly isTunnel?: boolean
  /** What a reader of the tables must know. */
  readonly note?: string
  /** Why it does not take part in a scenario, by the scenario's name. */
  readonly excluded?: Readonly<Record<string, string>>
  start(start: PeerStart): Promise<Child>
}

/** Connections that a peer may keep to the upstream. */
export const UPSTREAM_CONNECTIONS = 1_024

/** Client connections that a peer must be able to hold, idle ones included. */
export const CLIENT_CONNECTIONS = 12_000
