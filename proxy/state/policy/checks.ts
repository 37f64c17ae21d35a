import type { DocumentProblem } from '#shared/document-problem.ts'
import { CONTENT_KINDS, type ContentKind } from '../../cdn/content-kind.ts'
import type { Policy } from './schema.ts'

type Check = (policy: Policy) => DocumentProblem[]

/** What no part of a policy can tell by itself: all that is wrong between its parts. */
export const crossProblems = (policy: Policy): DocumentProblem[] => CHECKS.flatMap((check) => check(policy))

const unknownNames: Check = ({ routes, operations, limits, slo }) =>
  Object.entries(routes).flatMap(([name, route]) => {
    const problems: DocumentProblem[] = []
    const expectOne = (field: string, used: string, defined: Readonly<Record<string, unknown>>, where: string) => {
      if (Object.hasOwn(defined, used)) return
      problems.push({
        path: `routes.${name}.${field}`,
        message: `there is no "${used}" in ${where} (there are: ${inShort(Object.keys(defined))}); add it there, or name another`,
      })
    }
    if (route.operation !== undefined) expectOne('operation', route.operation, operations, 'operations')
    for (const [index, limit] of route.limits.entries()) expectOne(`limits.${index}`, limit, limits, 'limits')
    if (route.slo !== undefined) expectOne('slo', route.slo, slo.objectives, 'slo.objectives')
    return problems
  })

const NAMES_SHOWN = 20

/** A message stays short, however many there are. */
const inShort = (names: readonly string[]): string => {
  if (names.length === 0) return 'none'
  const shown = names.slice(0, NAMES_SHOWN).join(', ')
  return names.length > NAMES_SHOWN ? `${shown} and ${names.length - NAMES_SHOWN} more` : shown
}

/** The same but for the names of parameters. */
const shapeOf = (path: string): string => path.replace(/:[^/]+/g, ':').replace(/(?<=.)\/$/, '')

const overlappingRoutes: Check = ({ routes }) => {
  const seen = new Map<string, { readonly name: string; readonly methods: readonly string[] | undefined }[]>()
  return Object.entries(routes).flatMap(([name, { match }]) => {
    const shape = shapeOf(match.path)
    const others = seen.get(shape) ?? []
    seen.set(shape, [...others, { name, methods: match.methods }])
    const rival = others.find(
      ({ methods }) => (methods === undefined) === (match.methods === undefined) && shared(methods, match.methods),
    )
    return rival === undefined
      ? []
      : [
          {
            path: `routes.${name}.match`,
            message: `matches the same requests as routes.${rival.name}: give them different methods or paths, or make them one`,
          },
        ]
  })
}

/** One that names methods is more specific than one that takes all: those do not clash. */
const shared = (some: readonly string[] | undefined, others: readonly string[] | undefined): boolean =>
  some === undefined || others === undefined || some.some((method) => others.includes(method))

const purgesOfNothing: Check = ({ cdn: { purge } }) => {
  const { provider, target, url } = purge
  const needs = (field: 'target' | 'url', what: string) => [
    { path: `cdn.purge.${field}`, message: `is missing: ${provider} needs ${what}` },
  ]
  if (provider === 'webhook' && url === undefined) return needs('url', 'the URL that purges are sent to')
  if (provider === 'cloudflare' && target === undefined) return needs('target', 'the ID of the zone')
  if (provider === 'fastly' && target === undefined) return needs('target', 'the ID of the service')
  return []
}

const impossibleCaching: Check = ({ routes, cdn }) =>
  Object.entries(routes).flatMap(([name, { cache, stale }]) => {
    const problems: DocumentProblem[] = []
    const at = (field: string, message: string) => problems.push({ path: `routes.${name}.${field}`, message })
    const visibilities = CONTENT_KINDS.map((kind) => visibilityOf(cache, cdn, kind))
    const { visibility = 'app' } = cache
    if (stale !== undefined && visibilities.every((one) => one === 'private' || one === 'no-store')) {
      at(
        'stale',
        `keeps replies for everyone on a route whose replies are ${visibility}: set cache.visibility to public, or remove stale`,
      )
    }
    for (const [field, message] of uselessFields(cache, visibilities)) at(`cache.${field}`, message)
    for (const [index, kind] of CONTENT_KINDS.entries()) {
      const ofKind = cache.byType[kind]
      if (ofKind === undefined) continue
      const own = visibilities.slice(index, index + 1)
      for (const [field, message] of uselessFields(ofKind, own)) at(`cache.byType.${kind}.${field}`, message)
    }
    return problems
  })

type Cache = Policy['routes'][string]['cache']

const visibilityOf = (cache: Cache, cdn: Policy['cdn'], kind: ContentKind) =>
  cache.byType[kind]?.visibility ?? cache.visibility ?? cdn.types[kind].visibility

/** Fields that can mean nothing under any of `visibilities`, each with the reason. */
const uselessFields = (
  said: Pick<Cache, keyof NonNullable<Cache['byType']['other']>>,
  visibilities: readonly ReturnType<typeof visibilityOf>[],
): [string, string][] => {
  const problems: [string, string][] = []
  const isPublic = visibilities.includes('public')
  for (const field of ['cdnMaxAgeSeconds', 'staleWhileRevalidateSeconds', 'staleIfErrorSeconds'] as const) {
    if (!isPublic && (said[field] ?? 0) > 0) {
      problems.push([
        field,
        `is for shared caches, and no reply here is made public: set visibility to public, or remove it`,
      ])
    }
  }
  if ((said.maxAgeSeconds ?? 0) > 0 && !isPublic && !visibilities.includes('private')) {
    problems.push([
      'maxAgeSeconds',
      'is for replies that may be kept: set cache.visibility to private or public, or remove it',
    ])
  }
  if (said.ignoreCookies === true && !isPublic && !visibilities.includes('app'))
    problems.push(['ignoreCookies', 'only means something where visibility is public, or as the app says'])
  return problems
}

const impossibleTimeouts: Check = ({ operations }) =>
  Object.entries(operations).flatMap(([name, operation]) =>
    (['connectTimeoutMs', 'headersTimeoutMs'] as const).flatMap((field) =>
      operation.totalTimeoutMs !== undefined && (operation[field] ?? 0) > operation.totalTimeoutMs
        ? [
            {
              path: `operations.${name}.${field}`,
              message: `(${operation[field]}) can never pass: totalTimeoutMs (${operation.totalTimeoutMs}) is less; lower the one or raise the other`,
            },
          ]
        : [],
    ),
  )

const impossibleBlocks: Check = ({ blocking }) =>
  blocking.firstBlockSeconds > blocking.longestBlockSeconds
    ? [
        {
          path: 'blocking.firstBlockSeconds',
          message: `(${blocking.firstBlockSeconds}) is longer than longestBlockSeconds (${blocking.longestBlockSeconds}): lower the one or raise the other`,
        },
      ]
    : []

const impossibleEmergency: Check = ({ emergency }) =>
  emergency.minimumSeconds > emergency.maximumSeconds
    ? [
        {
          path: 'emergency.minimumSeconds',
          message: `(${emergency.minimumSeconds}) is longer than maximumSeconds (${emergency.maximumSeconds}): lower the one or raise the other`,
        },
      ]
    : []

const incompleteChallenge: Check = ({ challenge }) =>
  challenge.provider !== 'altcha' && challenge.siteKey === undefined
    ? [{ path: 'challenge.siteKey', message: `is required for ${challenge.provider}: its console shows it` }]
    : []

/** More than everything cannot fail: a burn of that factor is never seen. */
const impossibleAlerts: Check = ({ alerts, slo }) =>
  alerts.burnRates.flatMap((rate, index) => {
    const path = `alerts.burnRates.${index}`
    const problems: DocumentProblem[] = []
    if (rate.shortSeconds >= rate.longSeconds) {
      problems.push({
        path: `${path}.shortSeconds`,
        message: `(${rate.shortSeconds}) must be less than longSeconds (${rate.longSeconds})`,
      })
    }
    for (const [name, { availability, latency }] of Object.entries(slo.objectives)) {
      for (const promised of [availability, ...(latency === undefined ? [] : [latency.share])]) {
        const most = 1 / (1 - promised)
        if (rate.factor < most) continue
        problems.push({
          path: `${path}.factor`,
          message: `(${rate.factor}) can never be reached by slo.objectives.${name}: with ${promised} promised, everything failing burns ${most.toFixed(1)} times too fast; promise more, or lower the factor`,
        })
      }
    }
    return problems
  })

const CHECKS: readonly Check[] = [
  unknownNames,
  overlappingRoutes,
  impossibleCaching,
  purgesOfNothing,
  impossibleTimeouts,
  impossibleBlocks,
  impossibleEmergency,
  incompleteChallenge,
  impossibleAlerts,
]
