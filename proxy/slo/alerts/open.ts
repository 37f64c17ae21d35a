import type { Logger } from '#shared/log.ts'
import { LeaderLock } from '#shared/redis/leader-lock.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { ProxySettings } from '../../settings.ts'
import type { CompiledPolicy } from '../../state/policy/compile.ts'
import type { Slo } from '../slo.ts'
import type { AlertReport } from './alert-report.ts'
import type { Send } from './deliveries.ts'

export interface AlertingState {
  /** As the fleet has it, where Redis answers. */
  report(): Promise<AlertReport>
  close(): Promise<void>
}

interface AlertingParts {
  readonly redis: RedisGuard | undefined
  readonly policies: { readonly active: CompiledPolicy }
  readonly slo: Pick<Slo, 'history' | 'badExamples'>
}

const TICK_MS = 1_000
const NOTHING: AlertReport = { alerts: [], notifications: [] }

/** Alerts of the fleet, by one process of it. What looks and tells is loaded once the policy promises something. */
export const openAlerts = (
  settings: Pick<ProxySettings, 'SIDEGATE_SERVICE' | 'ADMIN_PUBLIC_URL' | 'WORKERS'>,
  instanceId: string,
  parts: AlertingParts,
  log: Logger,
): AlertingState => {
  let alerting: Promise<Alerting> | undefined
  const timer = setInterval(() => {
    if (alerting === undefined && Object.keys(parts.policies.active.policy.slo.objectives).length === 0) return
    if (parts.redis === undefined && settings.WORKERS > 1) {
      clearInterval(timer)
      log.warn('no alerts: with WORKERS above 1 the processes count together by Redis (set REDIS_URL)')
      return
    }
    alerting ??= startAlerting(settings, instanceId, parts, log)
    alerting
      .then(({ tick }) => tick())
      .catch((error: unknown) => {
        alerting = undefined
        log.error({ err: error }, 'slo alerts could not be loaded')
      })
  }, TICK_MS)
  timer.unref()
  return {
    async report() {
      return (await alerting)?.report() ?? NOTHING
    },
    async close() {
      clearInterval(timer)
      await (await alerting)?.close()
    },
  }
}

interface Alerting extends AlertingState {
  tick(): Promise<void>
}

const startAlerting = async (
  { SIDEGATE_SERVICE, ADMIN_PUBLIC_URL }: Pick<ProxySettings, 'SIDEGATE_SERVICE' | 'ADMIN_PUBLIC_URL'>,
  instanceId: string,
  { redis, policies, slo }: AlertingParts,
  log: Logger,
): Promise<Alerting> => {
  const [{ AlertWatch }, { AlertStore }, { FleetExamples }, { sendAlert }, { alertReport }] = await Promise.all([
    import('./alert-watch.ts'),
    import('./alert-store.ts'),
    import('./fleet-examples.ts'),
    import('./alert-sender.ts'),
    import('./alert-report.ts'),
  ])
  const lock = new LeaderLock(redis, instanceId, { name: 'slo-alerts' }, log)
  const store = new AlertStore(redis)
  const examples = new FleetExamples(redis)
  const place = { service: SIDEGATE_SERVICE, dashboard: ADMIN_PUBLIC_URL }
  const send: Send = (webhook, notification) => sendAlert(webhook, notification, place)
  const watch = new AlertWatch({ history: slo.history, policies, lock, store, examples, send }, log)
  return {
    async tick() {
      await examples.tell(slo.badExamples.take())
      await watch.tick()
    },
    async report() {
      await watch.refresh()
      return alertReport(store.state, policies.active.policy.alerts.webhooks)
    },
    async close() {
      await watch.close()
      await lock.close()
    },
  }
}
