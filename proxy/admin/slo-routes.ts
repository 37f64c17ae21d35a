import type { FastifyInstance } from 'fastify'
import type { AlertingState } from '../slo/alerts/open.ts'
import type { FleetHistory } from '../slo/fleet-history.ts'
import { objectiveReports, trafficReport } from '../slo/slo-report.ts'
import type { CompiledPolicy } from '../state/policy/compile.ts'

interface SloParts {
  readonly history: Pick<FleetHistory, 'sum' | 'look'>
  readonly policies: { readonly active: CompiledPolicy }
  readonly alerting: Pick<AlertingState, 'report'>
}

/**
 * How the fleet keeps what it promises, and what it does:
 *
 *     GET /api/slo   objectives with their budgets and burn rates; what fires, and who is still to be told; traffic by operation, over some windows of time
 */
export const sloRoutes = (admin: FastifyInstance, { history, policies, alerting }: SloParts): void => {
  admin.get('/api/slo', { schema: { operationId: 'getSlo' }, config: { role: 'read' } }, async (_request, reply) => {
    const [{ alerts, notifications }] = await Promise.all([alerting.report(), history.look()])
    const { policy, version } = policies.active
    const traffic = trafficReport(history, Object.keys(policy.operations))
    const objectives = objectiveReports(history, policy)
    return reply.send({ policyVersion: version, objectives, alerts, notifications, traffic })
  })
}
