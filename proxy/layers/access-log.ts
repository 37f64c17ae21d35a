import type { Logger } from '#shared/log.ts'
import type { Exchange } from '../exchange.ts'
import type { Layer } from '../layer.ts'
import type { Outcome } from '../outcome.ts'

/** `errors`: what Sidegate answered itself, what was cut and the app's 5xx · `all`: each exchange · `off`: none. */
export type AccessLogPolicy = 'errors' | 'all' | 'off'

/** One line an exchange, at its end; the only line about its refusal, so that an error is logged once. */
export const accessLog = (log: Logger, policy: AccessLogPolicy): Layer => ({
  name: 'access-log',
  onFinish(exchange, outcome) {
    if (policy === 'off' || (policy === 'errors' && isOrdinary(outcome))) return
    const text = `${shortened(exchange.method, 32)} ${shortened(exchange.path, 100)} ${outcome.status}`
    log[level(outcome)](line(exchange, outcome), text)
  },
})

/** Both may be as long as a head may be, and who floods chooses them: its log would be many times the flood. */
const PATH_LIMIT = 1_024

const shortened = (text: string, limit: number): string => (text.length > limit ? `${text.slice(0, limit)}…` : text)

/**
 * Nor is each refusal of who is blocked worth a line: the block has had its own, and a flood is to stay out of the log. Nor is each
 * reply that went out in the place of a failure: the client has an answer, and the metrics count them.
 */
const isOrdinary = ({ kind, status, refusal }: Outcome): boolean =>
  kind === 'answered' || kind === 'stale' || (kind === 'replied' && status < 500) || refusal?.text.logLevel === 'debug'

const level = (outcome: Outcome): 'debug' | 'info' | 'warn' | 'error' => {
  if (outcome.kind === 'stale') return 'info'
  if (outcome.refusal !== undefined) return outcome.refusal.text.logLevel
  return outcome.kind === 'replied' && outcome.status >= 500 ? 'warn' : 'info'
}

const line = (exchange: Exchange, outcome: Outcome): Record<string, unknown> => {
  const { correlation } = exchange
  const { refusal } = outcome
  return {
    correlationId: correlation.requestId,
    ...(correlation.clientRequestId !== undefined && { clientRequestId: correlation.clientRequestId }),
    traceId: correlation.trace.traceId,
    method: shortened(exchange.method, 32),
    path: shortened(exchange.path, PATH_LIMIT),
    ...(exchange.route !== undefined && { route: exchange.route.name }),
    policyVersion: exchange.policy.version,
    status: outcome.status,
    outcome: outcome.kind,
    durationMs: Math.round(outcome.durationMs * 10) / 10,
    bodyBytes: outcome.bodyBytes,
    clientAddress: exchange.clientAddress,
    ...(exchange.peer.address !== exchange.clientAddress && { peerAddress: exchange.peer.address }),
    ...(refusal !== undefined && { refusal: refusal.kind }),
    ...(refusal?.reason !== undefined && { reason: refusal.reason }),
    ...(refusal?.cause !== undefined && { err: refusal.cause }),
  }
}
