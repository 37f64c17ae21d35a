import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '#shared/log.ts'
import { differencesForLog } from '../state/policy/differences.ts'
import type { PolicyState } from '../state/policy/open.ts'
import { audit } from './audit.ts'
import { refuseInvalid, refuseUnavailable } from './policy-routes.ts'
import { refuse } from './refuse.ts'

/**
 * A candidate that live traffic is held against, without effect:
 *
 *     PUT    /api/policy/shadow   begins with one (JSON or YAML)
 *     GET    /api/policy/shadow   what it would have done otherwise, in the whole fleet
 *     DELETE /api/policy/shadow   ends it
 */
export const shadowRoutes = (admin: FastifyInstance, { policies, shadow }: PolicyState, log: Logger): void => {
  const inDoubt = (request: FastifyRequest, reply: FastifyReply, action: string): FastifyReply => {
    audit(log, request, action, { isInDoubt: true })
    return refuseUnavailable(reply, 'Ask for the shadow before you try again: it may have been accepted.')
  }

  admin.put(
    '/api/policy/shadow',
    { schema: { operationId: 'beginShadow' }, config: { role: 'operate' } },
    async (request, reply) => {
      const tried = policies.try(request.body)
      if (tried.kind === 'invalid') return refuseInvalid(reply, tried.problems)
      if (!(await shadow.begin(tried.document, request.caller.name))) return inDoubt(request, reply, 'shadow begun')
      audit(log, request, 'shadow begun', differencesForLog(tried.differences))
      return reply.send({ shadow: await shadow.report() })
    },
  )

  admin.get(
    '/api/policy/shadow',
    { schema: { operationId: 'getShadow' }, config: { role: 'read' } },
    async (_request, reply) => reply.send({ shadow: (await shadow.report()) ?? null }),
  )

  admin.delete(
    '/api/policy/shadow',
    { schema: { operationId: 'endShadow' }, config: { role: 'operate' } },
    async (request, reply) => {
      if (!shadow.isOn) return refuse(reply, 404, 'Not Found', 'There is no candidate in shadow.')
      if (!(await shadow.end(request.caller.name))) return inDoubt(request, reply, 'shadow ended')
      audit(log, request, 'shadow ended', {})
      return reply.status(204).send()
    },
  )
}
