import type { FastifyInstance } from 'fastify'
import type { FleetHistory } from '../slo/fleet-history.ts'
import { objectiveReports, trafficReport } from '../slo/slo-report.ts'
import type { CompiledPolicy } from '../state/policy/compile.ts'

interface SloParts {
  readonly history: Pick<FleetHistory, 'series' | 'sum' | 'look'>
  readonly policies: { readonly active: CompiledPolicy }
}

/**
 * How the fleet keeps what it promises, and what it does:
 *
 *     GET /api/slo   objectives with their budgets and burn rates; traffic by operation, over some windows of time
 */
export const sloRoutes = (admin: FastifyInstance, { history, policies }: SloParts): void => {
  admin.get('/api/slo', { schema: { operationId: 'getSlo' }, config: { role: 'read' } }, async (_request, reply) => {
    await history.look()
    const { policy, version } = policies.active
    const traffic = trafficReport(history, Object.keys(policy.operations))
    return reply.send({ policyVersion: version, objectives: objectiveReports(history, policy), traffic })
  })
}
