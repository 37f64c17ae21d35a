import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { DocumentProblem } from '#shared/document-problem.ts'
import type { Logger } from '#shared/log.ts'
import { parseYamlApart } from '#shared/yaml-apart.ts'
import { differencesForLog, masked } from '../state/policy/differences.ts'
import type { PolicyState } from '../state/policy/open.ts'
import type { PolicyChange } from '../state/policy/policy-store.ts'
import { type PolicyVersion, withoutDocument } from '../state/policy/policy-version.ts'
import { audit } from './audit.ts'
import { refuse } from './refuse.ts'

const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml']

/**
 * The policy:
 *
 *     GET  /api/policy            what is in force, with all defaults; ETag is its version
 *     PUT  /api/policy            another one (JSON or YAML); If-Match names the version that it was made from
 *     POST /api/policy/validate   the same without doing it
 *     GET  /api/policy/history    who changed it when, newest first
 *     GET  /api/policy/history/3  one of those, with its document
 *     POST /api/policy/rollback   {"to": version}; If-Match as above
 */
export const policyRoutes = (admin: FastifyInstance, { policies, watch }: PolicyState, log: Logger): void => {
  admin.addContentTypeParser(YAML_TYPES, { parseAs: 'string' }, async (_request: FastifyRequest, text: string) => {
    const parsed = await parseYamlApart(text)
    if (parsed.kind === 'parsed') return parsed.document
    const told = parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
    throw Object.assign(new Error(`The body is not YAML: ${told}`), { statusCode: 400 })
  })

  admin.get('/api/policy', { schema: { operationId: 'getPolicy' }, config: { role: 'read' } }, (_request, reply) => {
    const { version, policy } = policies.active
    return reply.header('ETag', etag(version)).send({
      version,
      ...(policies.refused !== undefined && { refused: policies.refused }),
      policy: masked(policy),
    })
  })

  admin.post(
    '/api/policy/validate',
    { schema: { operationId: 'validatePolicy' }, config: { role: 'read' } },
    (request, reply) => {
      const change = policies.try(request.body)
      return change.kind === 'invalid'
        ? refuseInvalid(reply, change.problems)
        : reply.send({ isValid: true, differences: change.differences })
    },
  )

  admin.put<{ Querystring: { probation?: 'none' } }>(
    '/api/policy',
    { schema: { operationId: 'applyPolicy', querystring: applyQuery }, config: { role: 'operate' } },
    async (request, reply) => {
      const expected = expectedVersion(request, reply)
      if (expected === undefined) return reply
      const { probation } = request.query
      const change = await policies.apply(
        expected,
        request.body,
        { author: request.caller.name },
        { isOnProbation: probation === undefined, badShareNow: await watch.badShareNow() },
      )
      return answer(request, reply, 'policy applied', change)
    },
  )

  admin.get(
    '/api/policy/history',
    { schema: { operationId: 'getPolicyHistory' }, config: { role: 'read' } },
    async (_request, reply) => {
      const versions = await policies.history()
      return reply.send({ versions: versions.map(({ document: _long, ...one }) => told(one)) })
    },
  )

  admin.get<{ Params: { version: number } }>(
    '/api/policy/history/:version',
    { schema: { operationId: 'getPolicyVersion', params: versionParams }, config: { role: 'read' } },
    async (request, reply) => {
      const found = (await policies.history()).find(({ version }) => version === request.params.version)
      return found === undefined
        ? refuseUnknown(reply)
        : reply.send({ ...told(found), document: masked(found.document) })
    },
  )

  admin.post<{ Body: { to: number } }>(
    '/api/policy/rollback',
    { schema: { operationId: 'rollBackPolicy', body: rollBackBody }, config: { role: 'operate' } },
    async (request, reply) => {
      const expected = expectedVersion(request, reply)
      if (expected === undefined) return reply
      const change = await policies.rollBack(expected, request.body.to, { author: request.caller.name })
      return answer(request, reply, 'policy rolled back', change)
    },
  )

  const answer = (request: FastifyRequest, reply: FastifyReply, action: string, change: PolicyChange): FastifyReply => {
    const { probation } = policies
    const { version } = policies.active
    switch (change.kind) {
      case 'applied':
        audit(log, request, action, { policyVersion: change.version, ...differencesForLog(change.differences) })
        return reply.header('ETag', etag(change.version)).send({
          version: change.version,
          differences: change.differences,
          ...(probation !== undefined && version === change.version && { probation: withoutDocument(probation) }),
        })
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
        return refuseUnknown(reply)
      case 'unavailable':
        audit(log, request, action, { isInDoubt: true })
        return refuseUnavailable(reply, 'Read the policy before you send it again: it may have been accepted.')
    }
  }
}

/** A new policy is on probation unless its author says otherwise. */
const applyQuery = z.strictObject({ probation: z.literal('none', 'expected probation=none').optional() })

const TO_MEANING = 'expected the version to go back to, as in {"to": 3}'
export const rollBackBody = z.strictObject(
  { to: z.int(TO_MEANING).min(0, TO_MEANING).describe('The version to go back to.') },
  TO_MEANING,
)

/** Of a version, what is not as long as a policy. */
const told = <Version extends Pick<PolicyVersion, 'probation'>>(version: Version) => ({
  ...version,
  ...(version.probation !== undefined && { probation: withoutDocument(version.probation) }),
})

const VERSION_MEANING = 'expected the number of a version'
const versionParams = z.strictObject({
  version: z
    .string()
    .regex(/^\d{1,15}$/, VERSION_MEANING)
    .transform(Number)
    .describe('As in the history.'),
})

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

const refuseUnknown = (reply: FastifyReply): FastifyReply =>
  refuse(reply, 404, 'Not Found', 'There is no such version; GET /api/policy/history lists those that are kept.')

export const refuseInvalid = (reply: FastifyReply, problems: readonly DocumentProblem[]): FastifyReply =>
  refuse(reply, 422, 'Unprocessable Content', 'The policy has problems; nothing has changed.', { problems })

export const refuseUnavailable = (reply: FastifyReply, advice: string): FastifyReply =>
  refuse(
    reply.header('Retry-After', '10'),
    503,
    'Service Unavailable',
    `Redis cannot be asked at the moment, so that the fleet cannot agree on a change. ${advice}`,
  )
