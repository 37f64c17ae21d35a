import type { HealthAnswers } from '#shared/health.ts'
import type { Logger } from '#shared/log.ts'
import { compose, type Forward, type Pipeline } from './compose.ts'
import type { Layer } from './layer.ts'
import { type AccessLogPolicy, accessLog } from './layers/access-log.ts'
import { edgeHeaders } from './layers/edge-headers.ts'
import { ownPaths } from './layers/own-paths.ts'
import { rescue } from './layers/rescue.ts'
import { type TrafficCounts, traffic } from './layers/traffic.ts'
import { wellFormed } from './layers/well-formed.ts'

/** What the layers need from outside. */
export interface Edge {
  readonly log: Logger
  readonly accessLog: AccessLogPolicy
  readonly traffic: TrafficCounts
  readonly health: HealthAnswers
}

/** A request travels down this list, its reply back up. */
export const edgeLayers = (d: Edge): readonly Layer[] => [
  traffic(d.traffic), // counts what the client saw, refusals included
  accessLog(d.log, d.accessLog), // one line an exchange, whoever made the reply
  edgeHeaders(), // correlation ID on every reply, error replies too
  rescue(), // the only place an error becomes a status
  wellFormed(), // what another parser might read otherwise goes no further
  ownPaths(d.health), // /__sidegate/ is ours, and never the app's
]

/** The layers, with one round trip to the app at the bottom. */
export const edge = (layers: readonly Layer[], forward: Forward, log: Logger): Pipeline =>
  compose(layers, forward, (layer, error) =>
    log.error({ err: error, layer }, 'a layer failed at the end of an exchange'),
  )
