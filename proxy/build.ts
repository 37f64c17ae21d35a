import { type Clock, systemClock } from '#shared/clock.ts'
import { Health } from '#shared/health.ts'
import type { Instance } from '#shared/instance.ts'
import type { Logger } from '#shared/log.ts'
import { redisCheck } from '#shared/redis/report.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { type ChallengeParts, challengeParts } from './challenge-parts.ts'
import type { Situation } from './exchange.ts'
import { Upstream } from './forward.ts'
import type { Facts, Layer } from './layer.ts'
import type { EnforcedBlocks } from './layers/block-list.ts'
import type { OutcomeCount } from './layers/emergency-signals.ts'
import { TrafficCounts } from './layers/traffic.ts'
import { edge, edgeLayers, policyLayers } from './pipeline.ts'
import { ProxyServer } from './server.ts'
import type { ProxySettings } from './settings.ts'
import type { BurnSignal } from './slo/burn-signal.ts'
import type { Slo } from './slo/slo.ts'
import { AppliedPurges } from './stale/applied-purges.ts'
import { StaleStore } from './stale/stale-store.ts'
import type { ChallengeSecrets } from './state/challenge/open.ts'
import { Circuits } from './state/circuits/circuits.ts'
import { openLimits } from './state/limits/open.ts'
import type { Candidate } from './state/policy/policy-shadow.ts'
import { NO_VIOLATIONS, type ViolationSink } from './state/violations/violation.ts'
import { upstreamCheck } from './upstream/probe.ts'

/** The parts of one proxy process, put together and not yet listening. */
export interface ProxyParts {
  readonly health: Health
  readonly traffic: TrafficCounts
  readonly upstream: Upstream
  readonly server: ProxyServer
  /** What clients have used of their limits; to be closed once nothing comes any more. */
  readonly limits: { flush(): Promise<void>; close(): Promise<void> }
  readonly challenges: ChallengeParts
  readonly staleStore: StaleStore
  readonly appliedPurges: AppliedPurges
  readonly circuits: Circuits
}

/** What the process has from outside itself. */
export interface SharedState extends Situation {
  /** Undefined in memory mode. */
  readonly redis: RedisGuard | undefined
  /** A candidate that traffic is held against, where there is one. */
  readonly shadow: { readonly current: Candidate | undefined }
  readonly burn: BurnSignal
  readonly slo: Pick<Slo, 'record'>
  readonly emergencySignals: OutcomeCount
  readonly blocks: EnforcedBlocks
  readonly violations: ViolationSink
  /** How many living instances share what the fleet may do. */
  readonly fleet: { readonly size: number }
  readonly challengeSecrets: ChallengeSecrets
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
  const upstreamLimits = {
    connections: settings.UPSTREAM_CONNECTIONS_LIMIT,
    queueLength: settings.UPSTREAM_QUEUE_LIMIT,
    queueTimeoutMs: settings.UPSTREAM_QUEUE_TIMEOUT_MS,
    connectTimeoutMs: settings.UPSTREAM_CONNECT_TIMEOUT_MS,
    headerBytes: settings.UPSTREAM_HEADER_LIMIT_BYTES,
    headersTimeoutMs: settings.UPSTREAM_HEADERS_TIMEOUT_MS,
    bodyIdleTimeoutMs: settings.UPSTREAM_IDLE_TIMEOUT_MS,
    keepAliveTimeoutMs: settings.UPSTREAM_KEEP_ALIVE_TIMEOUT_MS,
  }
  const upstream = new Upstream(settings.UPSTREAM_URL, upstreamLimits)
  const { blocks, violations } = shared
  const clock = shared.clock ?? systemClock
  const limits = openLimits(
    shared.redis,
    {
      get size() {
        // Without Redis a worker hears of no other; its siblings are there all the same.
        return Math.max(shared.fleet.size, settings.WORKERS)
      },
    },
    clock,
  )
  const suspicion = {
    isSuspicious: (facts: Facts) => violations.isSuspicious(facts),
    onFailedAnswer: (facts: Facts, result: string) => violations.record(facts, 'challenge-failed', result),
  }
  const challenges = challengeParts(settings, shared.challengeSecrets, shared.redis, suspicion, clock, log)
  const newLayers = () =>
    policyLayers({ blocks, limits: limits.beside(), violations: NO_VIOLATIONS, challenging: challenges.inShadow })
  const shadowing = { shadow: shared.shadow, newLayers, log }
  const { burn, slo, emergencySignals } = shared
  const staleStore = new StaleStore()
  const purges = new AppliedPurges(staleStore)
  const { challenging, answering } = challenges
  // By a time that is looked up and not asked for: a circuit is passed by every request.
  const circuitClock = shared.clock ?? { wallMs: () => systemClock.wallMs(), monotonicMs: () => upstream.nowMs }
  const circuits = new Circuits(shared.policies, upstreamLimits, circuitClock, Math.random, log)
  const layers = choose(
    edgeLayers({
      log,
      accessLog: settings.ACCESS_LOG,
      upstreamName: settings.UPSTREAM_URL.socketPath ?? settings.UPSTREAM_URL.origin,
      traffic,
      burn,
      slo,
      emergencySignals,
      health,
      blocks,
      limits,
      violations,
      challenging,
      shadowing,
      answering,
      staleStore,
      purges,
      clock,
      circuits,
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
      upgradeIdleMs: settings.UPSTREAM_IDLE_TIMEOUT_MS,
      headersTimeoutMs: settings.CLIENT_HEADERS_TIMEOUT_MS,
      keepAliveTimeoutMs: settings.CLIENT_KEEP_ALIVE_TIMEOUT_MS,
      unreadBodyBytes: settings.UNREAD_BODY_LIMIT_BYTES,
    },
    traffic,
    log,
  )
  return { health, traffic, upstream, server, limits, challenges, circuits, staleStore, appliedPurges: purges }
}
