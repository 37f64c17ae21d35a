import { type Clock, systemClock } from '#shared/clock.ts'
import { Health } from '#shared/health.ts'
import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import { redisCheck } from '#shared/redis/report.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { type ChallengeParts, challengeParts, NO_SUSPICION, type Suspicion } from './challenge-parts.ts'
import type { Situation } from './exchange.ts'
import { Upstream } from './forward.ts'
import type { Layer } from './layer.ts'
import { TrafficCounts } from './layers/traffic.ts'
import { edge, edgeLayers, policyLayers } from './pipeline.ts'
import { ProxyServer } from './server.ts'
import type { ProxySettings } from './settings.ts'
import type { BurnSignal } from './slo/burn-signal.ts'
import type { ChallengeSecrets } from './state/challenge/open.ts'
import { LimitStates } from './state/limits/limit-states.ts'
import type { Candidate } from './state/policy/policy-shadow.ts'
import { upstreamCheck } from './upstream/probe.ts'

/** The parts of one proxy process, put together and not yet listening. */
export interface ProxyParts {
  readonly health: Health
  readonly traffic: TrafficCounts
  readonly upstream: Upstream
  readonly server: ProxyServer
  readonly challenges: ChallengeParts
}

/** What the process has from outside itself. */
export interface SharedState extends Situation {
  /** Undefined in memory mode. */
  readonly redis: RedisGuard | undefined
  /** A candidate that traffic is held against, where there is one. */
  readonly shadow: { readonly current: Candidate | undefined }
  readonly burn: BurnSignal
  /** How many living instances share what the fleet may do. */
  readonly fleet: { readonly size: number }
  readonly challengeSecrets: ChallengeSecrets
  /** Nobody's, where there is none. */
  readonly suspicion?: Suspicion
  /** In tests, another than the system's. */
  readonly clock?: Clock
}

/** @param choose which of the layers run: all of them, but for the benchmark, which shows what each costs */
export const buildProxy = (
  settings: ProxySettings,
  instance: Instance,
  log: Logger,
  shared: SharedState,
  choose: (layers: readonly Layer[]) => readonly Layer[] = (layers) => layers,
): ProxyParts => {
  const health = new Health(instance, [
    upstreamCheck(settings.UPSTREAM_URL, settings.UPSTREAM_HEALTH_PATH),
    ...(shared.redis === undefined ? [] : [redisCheck(shared.redis)]),
  ])
  const traffic = new TrafficCounts()
  const upstream = new Upstream(settings.UPSTREAM_URL, {
    connections: settings.UPSTREAM_CONNECTIONS_LIMIT,
    queueLength: settings.UPSTREAM_QUEUE_LIMIT,
    queueTimeoutMs: settings.UPSTREAM_QUEUE_TIMEOUT_MS,
    connectTimeoutMs: settings.UPSTREAM_CONNECT_TIMEOUT_MS,
    headerBytes: settings.UPSTREAM_HEADER_LIMIT_BYTES,
    headersTimeoutMs: settings.UPSTREAM_HEADERS_TIMEOUT_MS,
    bodyIdleTimeoutMs: settings.UPSTREAM_IDLE_TIMEOUT_MS,
    keepAliveTimeoutMs: settings.UPSTREAM_KEEP_ALIVE_TIMEOUT_MS,
  })
  const clock = shared.clock ?? systemClock
  const limits = {
    states: new LimitStates(),
    fleet: {
      get size() {
        // Without Redis a worker hears of no other; its siblings are there all the same.
        return Math.max(shared.fleet.size, settings.WORKERS)
      },
    },
    clock,
  }
  const challenges = challengeParts(
    settings,
    shared.challengeSecrets,
    shared.redis,
    shared.suspicion ?? NO_SUSPICION,
    clock,
    log,
  )
  const newLayers = () =>
    policyLayers({
      limits: { ...limits, states: limits.states.beside(clock.monotonicMs()) },
      challenging: challenges.inShadow,
    })
  const shadowing = { shadow: shared.shadow, newLayers, log }
  const { burn } = shared
  const { challenging, answering } = challenges
  const layers = choose(
    edgeLayers({
      log,
      accessLog: settings.ACCESS_LOG,
      traffic,
      burn,
      health,
      limits,
      challenging,
      shadowing,
      answering,
    }),
  )
  const pipeline = edge(layers, upstream.forward, log)
  const server = new ProxyServer(
    pipeline,
    shared,
    {
      targetBytes: settings.TARGET_LIMIT_BYTES,
      headerBytes: settings.HEADER_LIMIT_BYTES,
      uploadIdleMs: settings.CLIENT_IDLE_TIMEOUT_MS,
      downloadIdleMs: settings.CLIENT_IDLE_TIMEOUT_MS,
      headersTimeoutMs: settings.CLIENT_HEADERS_TIMEOUT_MS,
      keepAliveTimeoutMs: settings.CLIENT_KEEP_ALIVE_TIMEOUT_MS,
      unreadBodyBytes: settings.UNREAD_BODY_LIMIT_BYTES,
    },
    traffic,
    log,
  )
  return { health, traffic, upstream, server, challenges }
}
