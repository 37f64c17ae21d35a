import type { Layer } from '../layer.ts'
import type { Slo } from '../slo/slo.ts'
import { verdictOf } from '../slo/verdict.ts'

/** Counts how exchanges do, by what of the app's work they are, and by what is promised of their route. */
export const slo = (counts: Pick<Slo, 'record'>): Layer => ({
  name: 'slo',
  onFinish(exchange, outcome) {
    const { operation, route, policy, correlation, startedAtMs, replyAtMs, excuse } = exchange
    const verdict = verdictOf(outcome, excuse)
    if (verdict < 0) return
    const objective = route?.policy.slo
    const thresholdMs =
      objective === undefined ? undefined : policy.policy.slo.objectives[objective]?.latency?.thresholdMs
    // How slowly a client reads is not the app's: until the head of the reply, where it is the app's.
    const latencyMs = outcome.kind === 'replied' && replyAtMs !== 0 ? replyAtMs - startedAtMs : outcome.durationMs
    const endedAtMs = startedAtMs + outcome.durationMs
    counts.record(operation.name, objective, verdict, latencyMs, thresholdMs, endedAtMs, correlation.requestId)
  },
})
