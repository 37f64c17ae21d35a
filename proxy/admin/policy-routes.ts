import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '#shared/log.ts'
import type { PolicyProblem } from '../state/policy/checks.ts'
import { masked } from '../state/policy/differences.ts'
import type { PolicyChange, PolicyStore } from '../state/policy/policy-store.ts'
import { refuse } from './refuse.ts'

const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml']

/** What the audit log and the history call who holds the only token that there is. */
const AUTHOR = 'admin'

/**
 * The policy:
 *
 *     GET  /api/policy            what is in force, with all defaults; ETag is its version
 *     PUT  /api/policy            another one (JSON or YAML); If-Match names the version that it was made from
 *     POST /api/policy/validate   the same without doing it
 *     GET  /api/policy/history    who changed what when, newest first
 *     POST /api/policy/rollback   {"to": version}; If-Match as above
 */
export const policyRoutes = (admin: FastifyInstance, policies: PolicyStore, log: Logger): void => {
  admin.addContentTypeParser(YAML_TYPES, { parseAs: 'string' }, async (_request: FastifyRequest, text: string) => {
    // Loaded for the first of them only: it would be memory that nobody uses.
    const { parsePolicyText } = await import('../state/policy/yaml.ts')
    const parsed = parsePolicyText(text)
    if (parsed.kind === 'parsed') return parsed.document
    const told = parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
    throw Object.assign(new Error(`The body is not YAML: ${told}`), { statusCode: 400 })
  })

  admin.get('/api/policy', (_request, reply) => {
    const { version, policy } = policies.active
    return reply.header('ETag', etag(version)).send({
      version,
      ...(policies.refused !== undefined && { refused: policies.refused }),
      policy: masked(policy),
    })
  })

  admin.post('/api/policy/validate', (request, reply) => {
    const change = policies.try(request.body)
    return change.kind === 'invalid'
      ? refuseInvalid(reply, change.problems)
      : reply.send({ isValid: true, differences: change.differences })
  })

  admin.put('/api/policy', async (request, reply) => {
    const expected = expectedVersion(request, reply)
    if (expected === undefined) return reply
    const change = await policies.apply(expected, request.body, AUTHOR)
    return answer(request, reply, 'policy applied', change)
  })

  admin.get('/api/policy/history', async (_request, reply) => {
    const versions = await policies.history()
    return reply.send({ versions: versions.map((one) => ({ ...one, document: masked(one.document) })) })
  })

  admin.post('/api/policy/rollback', async (request, reply) => {
    const expected = expectedVersion(request, reply)
    if (expected === undefined) return reply
    const { to } = (request.body ?? {}) as { to?: unknown }
    if (typeof to !== 'number' || !Number.isSafeInteger(to) || to < 0) {
      return refuse(reply, 422, 'Unprocessable Content', 'Name the version to go back to, as in {"to": 3}.')
    }
    return answer(request, reply, 'policy rolled back', await policies.rollBack(expected, to, AUTHOR))
  })

  const answer = (request: FastifyRequest, reply: FastifyReply, action: string, change: PolicyChange): FastifyReply => {
    switch (change.kind) {
      case 'applied':
        log.info(
          {
            ...{ audit: action, author: AUTHOR, policyVersion: change.version },
            ...{ differences: change.differences, correlationId: request.id },
          },
          action,
        )
        return reply
          .header('ETag', etag(change.version))
          .send({ version: change.version, differences: change.differences })
      case 'invalid':
        return refuseInvalid(reply, change.problems)
      case 'conflict':
        reply.header('ETag', etag(change.version))
        return refuse(
          reply,
          412,
          'Precondition Failed',
          `Version ${change.version} is the newest: read it, make the change to that, and send it with If-Match: ${etag(change.version)}.`,
        )
      case 'unknown':
        return refuse(
          reply,
          404,
          'Not Found',
          'There is no such version; GET /api/policy/history lists those that are kept.',
        )
      case 'unavailable':
        reply.header('Retry-After', '10')
        return refuse(
          reply,
          503,
          'Service Unavailable',
          'Redis cannot be asked at the moment, so that the fleet cannot agree on a change. Read the policy before you send it again: it may have been accepted.',
        )
    }
  }
}

const etag = (version: number): string => `"${version}"`

/** Undefined where the request has been refused for want of it. */
const expectedVersion = (request: FastifyRequest, reply: FastifyReply): number | undefined => {
  const [, version] = /^(?:W\/)?"?(\d{1,15})"?$/.exec(request.headers['if-match'] ?? '') ?? []
  if (version !== undefined) return Number(version)
  refuse(
    reply,
    428,
    'Precondition Required',
    'Say which version the change was made from, as in If-Match: "3"; GET /api/policy has it as ETag.',
  )
  return undefined
}

const refuseInvalid = (reply: FastifyReply, problems: readonly PolicyProblem[]): FastifyReply =>
  refuse(reply, 422, 'Unprocessable Content', 'The policy has problems; nothing has changed.', { problems })
