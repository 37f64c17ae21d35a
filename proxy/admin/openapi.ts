import type { RouteOptions } from 'fastify'
import { z } from 'zod'
import { Health } from '#shared/health.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import { PROBLEM_JSON } from '#shared/problem.ts'
import { version } from '#shared/version.ts'
import { openPurges } from '../cdn/purge/open.ts'
import { FleetHistory } from '../slo/fleet-history.ts'
import { openBlocking } from '../state/blocks/open.ts'
import { openEmergency } from '../state/emergency/open.ts'
import { openPolicy } from '../state/policy/open.ts'
import { operations } from './replies.ts'
import { problemReply } from './reply-bodies.ts'
import { adminServer } from './server.ts'

type JsonObject = Record<string, unknown>

/** The admin port's OpenAPI document: its routes as they are registered, each with what `replies.ts` says of it. */
export const adminOpenApiDocument = async (): Promise<string> => {
  const undescribed = new Set(Object.keys(operations))
  const paths: Record<string, JsonObject> = {}
  for (const route of await registeredRoutes()) {
    const { operationId = '' } = route.schema ?? {}
    undescribed.delete(operationId)
    const path = route.url.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [String(route.method).toLowerCase()]: describe(operationId, route) }
  }
  if (undescribed.size > 0) throw new Error(`replies.ts describes what no route is: ${[...undescribed].join(', ')}`)
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'Sidegate admin port',
      version,
      description: 'For operators, probes and Prometheus. Errors are problem documents (RFC 9457).',
    },
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemReply) },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

const registeredRoutes = async (): Promise<readonly RouteOptions[]> => {
  const instance = instanceIdentity('proxy', version)
  const log = createLogger({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' }, instance)
  const policy = await openPolicy(undefined, undefined, instance, log)
  const { policies } = policy
  const emergencyParts = await openEmergency(undefined, instance, { policies, fleet: { size: 1 } }, log)
  const { emergency } = emergencyParts
  const blocking = await openBlocking(undefined, instance, log)
  const purging = await openPurges({}, instance.id, { redis: undefined, policies, applied: undefined }, log)
  const routes: RouteOptions[] = []
  const admin = adminServer(
    {
      ...{
        instance,
        log,
        policy,
        emergency,
        blocking,
        purging,
        slo: { history: new FleetHistory(undefined, instance.id, log) },
        alerting: { report: async () => ({ alerts: [], notifications: [] }) },
        tokens: { current: [] },
        health: new Health(instance, []),
      },
      drainable: {
        begin: () => undefined,
        phase: 'serving',
        inFlight: () => ({ requests: 0, upgrades: 0, longestMs: 0 }),
        onDrained: () => undefined,
      },
      metrics: async () => ({ contentType: 'text/plain', text: '' }),
      status: () => ({}),
      circuits: { list: () => [], order: () => 0 },
    },
    (route) => routes.push(route),
  )
  await admin.ready()
  await admin.close()
  await emergencyParts.close()
  await blocking.close()
  await purging.close()
  await policy.close()
  return routes.filter(({ method }) => method !== 'HEAD')
}

const describe = (operationId: string, { url, schema, config }: RouteOptions): JsonObject => {
  const operation = operations[operationId]
  if (operation === undefined) throw new Error(`${url} (${operationId}) is not described in replies.ts`)
  const { summary, takes, needsIfMatch, replies, problems = {} } = operation
  const role = config?.role
  const guarded = role === undefined ? {} : GUARD_PROBLEMS
  const body = takes === undefined ? {} : BODY_PROBLEMS
  return {
    operationId,
    summary,
    ...(role !== undefined && { description: `Wants a token of the role \`${role}\`.`, security: [{ token: [] }] }),
    parameters: [
      ...parameters('path', schema?.params),
      ...parameters('query', schema?.querystring),
      ...(needsIfMatch ? [IF_MATCH] : []),
    ],
    ...(takes !== undefined && { requestBody: { required: true, content: bodyOf(takes) } }),
    responses: Object.fromEntries([
      ...Object.entries(replies).map(([status, { description, schema: body, type = 'application/json' }]) => [
        status,
        {
          description,
          ...(body !== undefined && { content: { [type]: { schema: jsonSchema(body) } } }),
          ...(body === undefined && type !== 'application/json' && { content: { [type]: {} } }),
        },
      ]),
      ...Object.entries({
        ...guarded,
        ...body,
        ...(url.startsWith('/api/policy') && POLICY_PROBLEMS),
        ...(url === '/api/emergency' && EMERGENCY_PROBLEMS),
        ...(/^\/api\/(?:blocks|explain)/.test(url) && BLOCKS_PROBLEMS),
        ...problems,
      }).map(([status, description]) => [
        status,
        { description, content: { [PROBLEM_JSON]: { schema: { $ref: '#/components/schemas/Problem' } } } },
      ]),
    ]),
  }
}

const GUARD_PROBLEMS = {
  401: 'No token, or none that is good now; or none is configured, and all of this is off.',
  403: 'The token’s role does not suffice, or a page of another origin asks.',
  429: 'Too many wrong tokens from this address.',
}

const POLICY_PROBLEMS = {
  503: 'Redis cannot be asked; or there are several workers, and no Redis for them to agree by.',
}

const EMERGENCY_PROBLEMS = { 503: 'There are several workers, and no Redis for them to agree by.' }
const BLOCKS_PROBLEMS = { 503: 'There are several workers, and no Redis for them to share blocks by.' }

const BODY_PROBLEMS = {
  400: 'The body cannot be read.',
  413: 'The body is larger than half a mebibyte.',
  415: 'The body is of another type.',
}

const IF_MATCH = {
  name: 'If-Match',
  in: 'header',
  required: true,
  description: 'The version that the change was made from, as GET /api/policy has it in ETag.',
  schema: { type: 'string', examples: ['"3"'] },
}

const bodyOf = (takes: 'policy' | 'lines' | z.ZodType): JsonObject => {
  if (takes === 'lines') return { 'text/plain': { schema: { type: 'string' } } }
  if (takes !== 'policy') return { 'application/json': { schema: jsonSchema(takes) } }
  const schema = { $ref: './policy.schema.json' }
  return { 'application/json': { schema }, 'application/yaml': { schema } }
}

const parameters = (where: 'path' | 'query', schema: unknown): JsonObject[] => {
  if (!(schema instanceof z.ZodObject)) return []
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' })
  return Object.entries(properties).map(([name, property]) => ({
    ...{ name, in: where, required: required.includes(name), schema: property },
  }))
}

/** Members that a later release adds are no breach: the tests alone are strict. */
const jsonSchema = (schema: z.ZodType): JsonObject => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    override: ({ jsonSchema: made }) => {
      if (made.additionalProperties === false) delete made.additionalProperties
    },
  })
  return rest
}
