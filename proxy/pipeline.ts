import type { Clock } from '#shared/clock.ts'
import type { HealthAnswers } from '#shared/health.ts'
import type { Logger } from '#shared/log.ts'
import { compose, type Forward, type Pipeline } from './compose.ts'
import type { Layer, PolicyLayer } from './layer.ts'
import { type AccessLogPolicy, accessLog } from './layers/access-log.ts'
import { blockList, type EnforcedBlocks } from './layers/block-list.ts'
import { burn } from './layers/burn.ts'
import { cacheHeaders } from './layers/cache-headers.ts'
import { type Challenging, challenge } from './layers/challenge.ts'
import { type Answering, challengeEndpoint } from './layers/challenge-endpoint.ts'
import { circuitBreaker } from './layers/circuit-breaker.ts'
import { deadline } from './layers/deadline.ts'
import { edgeHeaders } from './layers/edge-headers.ts'
import { emergencySignals, type OutcomeCount } from './layers/emergency-signals.ts'
import { ownPaths } from './layers/own-paths.ts'
import { type RateLimiting, rateLimit } from './layers/rate-limit.ts'
import { rescue } from './layers/rescue.ts'
import { besideShadow, type Shadowing } from './layers/shadow.ts'
import { shed } from './layers/shed.ts'
import { slo } from './layers/slo.ts'
import { slowLog } from './layers/slow-log.ts'
import { staleReplies } from './layers/stale-replies.ts'
import { type TrafficCounts, traffic } from './layers/traffic.ts'
import { wellFormed } from './layers/well-formed.ts'
import type { BurnSignal } from './slo/burn-signal.ts'
import type { Slo } from './slo/slo.ts'
import type { AppliedPurges } from './stale/applied-purges.ts'
import type { StaleStore } from './stale/stale-store.ts'
import type { Circuits } from './state/circuits/circuits.ts'
import type { ViolationSink } from './state/violations/violation.ts'

/** What the layers need from outside. */
export interface Edge extends PolicyEdge {
  readonly log: Logger
  readonly accessLog: AccessLogPolicy
  /** The app's address, for the log. */
  readonly upstreamName: string
  readonly traffic: TrafficCounts
  readonly health: HealthAnswers
  readonly burn: BurnSignal
  readonly slo: Pick<Slo, 'record'>
  readonly emergencySignals: OutcomeCount
  readonly shadowing: Shadowing
  readonly answering: Answering
  readonly staleStore: StaleStore
  readonly purges: AppliedPurges
  readonly clock: Clock
  readonly circuits: Circuits
}

/** What the layers that obey the policy need from outside. */
export interface PolicyEdge {
  readonly blocks: EnforcedBlocks
  readonly limits: RateLimiting
  readonly violations: ViolationSink
  readonly challenging: Challenging
}

/** The layers that obey the policy. A candidate in shadow has the same, for itself. */
export const policyLayers = (d: PolicyEdge): readonly PolicyLayer[] => [
  blockList(d.blocks), // the cheapest refusal first
  rateLimit(d.limits, d.violations), // what is too much costs the app nothing
  shed(), // in an emergency, what matters least makes room
  challenge(d.challenging), // in an emergency, and for who is suspicious: a browser gets a page that lets it in
]

/** A request travels down this list, its reply back up. */
export const edgeLayers = (d: Edge): readonly Layer[] => [
  traffic(d.traffic), // counts what the client saw, refusals included
  slo(d.slo), // how that is, by what was promised
  burn(d.burn), // what each version of the policy leads to
  emergencySignals(d.emergencySignals, d.circuits), // what tells of an emergency
  accessLog(d.log, d.accessLog), // one line an exchange, whoever made the reply
  slowLog(d.log, d.upstreamName), // and one more where it took long, with where the time went
  edgeHeaders(), // correlation ID on every reply, error replies too
  cacheHeaders(), // what caches may do with it; what Sidegate says itself is kept by none
  rescue(), // the only place an error becomes a status
  wellFormed(), // what another parser might read otherwise goes no further
  ownPaths(d.health), // /__sidegate/ is ours, and never the app's
  ...besideShadow(d.shadowing, policyLayers(d)), // what operators have decided, and what a candidate would change in it
  challengeEndpoint(d.answering), // for who has come so far: the blocked do not get to answer
  staleReplies(d.staleStore, d.purges, d.clock), // around all that can fail of the app: the last good reply takes its place
  deadline(), // ends the app's work, not only the wait for it
  circuitBreaker(d.circuits), // beside the app: only its failures count
]

/** The layers, with one round trip to the app at the bottom. */
export const edge = (layers: readonly Layer[], forward: Forward, log: Logger): Pipeline =>
  compose(layers, forward, (layer, error) =>
    log.error({ err: error, layer }, 'a layer failed at the end of an exchange'),
  )
