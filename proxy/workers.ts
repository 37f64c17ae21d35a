import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry } from 'prom-client'
import { systemClock } from '#shared/clock.ts'
import type { InFlight } from '#shared/drain.ts'
import { EX_CONFIG } from '#shared/environment.ts'
import type { HealthAnswers, HealthReply } from '#shared/health.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger, type Logger } from '#shared/log.ts'
import { openRedis } from '#shared/redis/open.ts'
import { version } from '#shared/version.ts'
import type { Drainable } from './admin/drain-routes.ts'
import { openAdmin } from './admin/open.ts'
import { tidyAfterStart } from './after-start.ts'
import { openPurges } from './cdn/purge/open.ts'
import type { ProxySettings } from './settings.ts'
import { openAlerts } from './slo/alerts/open.ts'
import { openSlo } from './slo/open.ts'
import { openBlocking } from './state/blocks/open.ts'
import { newSecret } from './state/challenge/keys.ts'
import { openChallengeSecrets } from './state/challenge/open.ts'
import type { PassedOrder } from './state/emergency/emergency-order.ts'
import { openEmergency } from './state/emergency/open.ts'
import { openPolicy } from './state/policy/open.ts'
import { WorkerCircuits } from './worker-circuits.ts'
import { isWorkerReport, type PrimaryOrder, type WorkerReport } from './worker-messages.ts'

/** A worker that crashes again at once is restarted at ever longer intervals, so that it cannot take the CPU. */
const BACK_OFF_MS = { first: 200, longest: 10_000 }
/** A worker that has lived this long is sound: its next crash is the first again. */
const SOUND_AFTER_MS = 30_000
/** What workers get beyond their own drain timeout before they are killed. */
const KILL_GRACE_MS = 2_000
/** What workers get to cut what is in flight, on a second signal, before they are killed. */
const FORCE_GRACE_MS = 500
/** Workers report every second: one that has been silent for this long hangs. */
const REPORT_EXPIRES_MS = 5_000

/** The primary takes no traffic, and has no share of it. */
const ALONE = { size: 1 }

/**
 * Cluster mode: the primary takes no traffic. It runs the workers, answers the admin port for them all, restarts one
 * that crashes, and drains them together.
 *
 *     running ──signal──▶ draining ──all have exited──▶ exit with the worst of their codes
 *                             └──second signal, or DRAIN_TIMEOUT_MS──▶ those that live on are killed (exit 1)
 */
export const runWorkers = async (settings: ProxySettings): Promise<void> => {
  const instance = instanceIdentity('proxy', version, settings.SIDEGATE_INSTANCE_ID)
  const log = createLogger(settings, instance)
  const redis = await openRedis(settings, instance, log)
  const policy = redis === undefined ? undefined : await openPolicy(settings.POLICY_FILE, redis, instance, log)
  const blocking = redis === undefined ? undefined : await openBlocking(redis, instance, log)
  const sloState = redis === undefined ? undefined : openSlo(redis, instance, log)
  const alerting =
    policy &&
    sloState &&
    openAlerts(settings, instance.id, { redis, policies: policy.policies, slo: sloState.slo }, log)
  const purging =
    policy && (await openPurges(settings, instance.id, { redis, policies: policy.policies, applied: undefined }, log))
  const challengeSecrets = await openChallengeSecrets(settings, log)
  challengeSecrets.close() // opened to say what is wrong with them, or missing, once
  // Workers are one instance to their clients: what one of them has signed is good with the others.
  const workers = new Workers(settings, { CHALLENGE_KEY: settings.CHALLENGE_KEY ?? newSecret() }, log)
  const emergency =
    policy && (await openEmergency(redis, instance, { ...policy, fleet: ALONE, passOn: workers.passOn }, log))
  emergency?.start(undefined)
  const registry = new AggregatorRegistry()
  const startedAt = new Date().toISOString()
  const admin = await openAdmin(settings, {
    instance,
    log,
    health: workers,
    drainable: workers,
    metrics: async () => ({ contentType: registry.contentType, text: await registry.clusterMetrics() }),
    policy,
    emergency: emergency?.emergency,
    blocking,
    purging,
    slo: sloState?.slo,
    alerting,
    circuits: workers.circuits,
    status: () => ({ startedAt, restarts: workers.restarts, workers: workers.statuses() }),
  })
  tidyAfterStart()
  workers.start(() => emergency?.emergency.untold)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => workers.onSignal(signal))
  log.info({ workers: settings.WORKERS, admin: admin.address }, 'proxy runs workers')
}

interface DatedReport extends WorkerReport {
  readonly receivedAtMs: number
}

class Workers implements HealthAnswers, Drainable {
  readonly #settings: ProxySettings
  readonly #environment: Readonly<Record<string, string>>
  readonly #log: Logger
  readonly #reports = new Map<number, DatedReport>()
  readonly #startedAtMs = new Map<number, number>()
  readonly #settles: (() => Promise<void>)[] = []
  readonly circuits = new WorkerCircuits(
    () => this.#inOrder(),
    (order) => this.#order(order),
    systemClock,
  )
  #crashesInARow = 0
  #isDraining = false
  #isDrained = false
  #worstExit = 0
  restarts = 0

  /** @param environment of the workers, beside our own */
  constructor(settings: ProxySettings, environment: Readonly<Record<string, string>>, log: Logger) {
    this.#settings = settings
    this.#environment = environment
    this.#log = log
  }

  /** @param untold an order that the fleet cannot be told of: who starts meanwhile is told of it, once it can listen */
  start(untold: () => PassedOrder | undefined): void {
    cluster.on('message', (worker, message) => {
      if (!isWorkerReport(message)) return
      const isNew = !this.#reports.has(worker.id)
      const order = isNew ? untold() : undefined
      this.#reports.set(worker.id, { ...message, receivedAtMs: performance.now() })
      if (order !== undefined) this.#order({ type: 'emergency', order })
      if (isNew && worker.isConnected()) for (const standing of this.circuits.standing()) worker.send(standing)
    })
    cluster.on('exit', (worker, code, signal) => this.#onExit(worker, code, signal))
    for (let number = 0; number < this.#settings.WORKERS; number++) this.#fork()
  }

  onSignal(signal: string): void {
    if (this.#isDraining) {
      this.#order({ type: 'force', reason: `second signal, ${signal}` })
      this.#killAfter(FORCE_GRACE_MS, 'workers outlived a second signal: killing them')
      return
    }
    this.begin(signal)
  }

  /** Drains them all, and ends. Called again, it does nothing. */
  begin(reason: string): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#log.info({ reason }, 'workers are draining')
    this.#order({ type: 'drain', reason })
    this.#exitWhenAlone()
    this.#killAfter(
      this.#settings.DRAIN_TIMEOUT_MS + KILL_GRACE_MS,
      'workers outlived their drain timeout: killing them',
    )
  }

  /** An order that the fleet cannot be told of holds for these workers at once. */
  readonly passOn = (order: PassedOrder): void => this.#order({ type: 'emergency', order })

  get phase(): string {
    return this.#isDrained ? 'drained' : this.#isDraining ? 'draining' : 'serving'
  }

  /** As the workers have told last. */
  inFlight(): InFlight {
    const each = this.#inOrder().map(({ inFlight }) => inFlight)
    return {
      requests: each.reduce((sum, { requests }) => sum + requests, 0),
      upgrades: each.reduce((sum, { upgrades }) => sum + upgrades, 0),
      longestMs: Math.max(0, ...each.map(({ longestMs }) => longestMs)),
    }
  }

  onDrained(settle: () => Promise<void>): void {
    this.#settles.push(settle)
  }

  /** Ready while one worker is: the others' share of the traffic goes to it. */
  answer(path: string): HealthReply | undefined {
    switch (path) {
      case '/health/live':
        return { status: 200, body: { status: 'ok' } }
      case '/health/ready':
      case '/health': {
        const reports = this.#inOrder()
        const ready = this.#isDraining
          ? []
          : reports.filter((report) => report.ready.status === 200 && !isSilent(report))
        return {
          status: ready.length > 0 ? 200 : 503,
          body: {
            status: ready.length === 0 ? 'unavailable' : ready.length < this.#settings.WORKERS ? 'degraded' : 'ok',
            workersReady: ready.length,
            workersWanted: this.#settings.WORKERS,
            workers: reports.map((report) =>
              isSilent(report)
                ? { instance: report.instance, status: 'silent', sinceMs: ageMs(report) }
                : (path === '/health' ? report.health : report.ready).body,
            ),
          },
        }
      }
      default:
        return undefined
    }
  }

  statuses(): readonly unknown[] {
    return this.#inOrder().map((report) => ({
      instance: report.instance,
      reportAgeMs: ageMs(report),
      ...report.status,
    }))
  }

  /** By the numbers of the workers, so that a table of them stays as it is. */
  #inOrder(): DatedReport[] {
    return [...this.#reports].toSorted(([some], [others]) => some - others).map(([, report]) => report)
  }

  #fork(): void {
    this.#startedAtMs.set(cluster.fork(this.#environment).id, performance.now())
  }

  #onExit(worker: Worker, code: number, signal: string | null): void {
    this.#reports.delete(worker.id)
    const livedMs = performance.now() - (this.#startedAtMs.get(worker.id) ?? 0)
    this.#startedAtMs.delete(worker.id)
    if (this.#isDraining) {
      this.#worstExit = Math.max(this.#worstExit, code ?? 1)
      this.#exitWhenAlone()
      return
    }
    if (code === EX_CONFIG) {
      // It has said why; another start would end in the same way.
      process.exitCode = EX_CONFIG
      for (const other of this.#alive()) other.process.kill('SIGKILL')
      process.exit(EX_CONFIG)
    }
    this.#crashesInARow = livedMs >= SOUND_AFTER_MS ? 1 : this.#crashesInARow + 1
    const delayMs = restartDelayMs(this.#crashesInARow)
    this.#log.error({ worker: worker.id, code, signal, livedMs: Math.round(livedMs), delayMs }, 'worker crashed')
    setTimeout(() => {
      if (this.#isDraining) return
      this.restarts++
      this.#fork()
    }, delayMs)
  }

  #order(order: PrimaryOrder): void {
    for (const worker of this.#alive()) if (worker.isConnected()) worker.send(order)
  }

  #killAfter(delayMs: number, message: string): void {
    setTimeout(() => {
      const workers = this.#alive()
      this.#log.error({ workers: workers.map(({ id }) => id) }, message)
      for (const worker of workers) worker.process.kill('SIGKILL')
      process.exit(1)
    }, delayMs).unref()
  }

  #alive(): Worker[] {
    return Object.values(cluster.workers ?? {}).filter((worker) => worker?.isDead() === false) as Worker[]
  }

  #exitWhenAlone(): void {
    if (this.#alive().length > 0 || this.#isDrained) return
    this.#isDrained = true
    this.#log.info({ exitCode: this.#worstExit }, 'all workers have drained')
    void Promise.allSettled(this.#settles.map((settle) => settle())).then(() => process.exit(this.#worstExit))
  }
}

const ageMs = (report: DatedReport): number => Math.round(performance.now() - report.receivedAtMs)

const isSilent = (report: DatedReport): boolean => ageMs(report) > REPORT_EXPIRES_MS

/** @param crashesInARow from 1; a worker that lived long resets it */
const restartDelayMs = (crashesInARow: number): number =>
  Math.min(BACK_OFF_MS.longest, BACK_OFF_MS.first * 2 ** (crashesInARow - 1))
