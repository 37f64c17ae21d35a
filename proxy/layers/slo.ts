import type { Layer } from '../layer.ts'
import type { Slo } from '../slo/slo.ts'
import { REFUSED, verdictOf } from '../slo/verdict.ts'

/** Counts how exchanges do, by what of the app's work they are, and by what is promised of their route. */
export const slo = (counts: Pick<Slo, 'record'>): Layer => ({
  name: 'slo',
  onFinish(exchange, outcome) {
    const { operation, route, policy, correlation, startedAtMs, replyAtMs, isDeadlineCallers } = exchange
    // The app ends its work by the caller's deadline, too: the caller had less patience than is promised.
    const verdict = isDeadlineCallers && outcome.status === 504 ? REFUSED : verdictOf(outcome)
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
