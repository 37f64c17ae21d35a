import { CacheRules } from '../../cdn/cache-rules.ts'
import type { Trust } from '../../facts/client-address.ts'
import { AddressRanges } from '../addresses/address-ranges.ts'
import { partOf, type Rate } from '../limits/gcra.ts'
import { policyMember } from '../limits/rate-limit-fields.ts'
import { Operations } from './operation.ts'
import { RouteTable } from './route-table.ts'
import type { Policy } from './schema.ts'

/** Whose requests are counted together. */
export type LimitKey =
  | { readonly by: 'client-address' | 'jwt-subject' | 'route' }
  | { readonly by: 'header'; readonly lowerName: string }
  | { readonly by: 'cookie'; readonly name: string }

/** A rate limit as requests are held against it. */
export interface CompiledLimit {
  readonly name: string
  readonly key: LimitKey
  /** What its keys are, in words: those of another kind mean nothing to it. */
  readonly keyKind: string
  /** Of the whole fleet, in calm times. */
  readonly rate: Rate
  /** The same in an emergency, and while recovering from one. */
  readonly emergencyRate: Rate
  /** Whether Redis decides each request. */
  readonly isExact: boolean
  readonly keysLimit: number
  readonly announce: boolean
  /** What the log says of a refusal: never whose key it was, which may be a secret. */
  readonly reason: string
}

/** A route as layers look at it. */
export interface CompiledRoute {
  readonly name: string
  readonly policy: Policy['routes'][string]
  /** All apply. */
  readonly limits: readonly CompiledLimit[]
  /** `RateLimit-Policy` on its replies; empty where no limit is announced. */
  readonly rateLimitPolicy: string
  /** The same in an emergency, and while recovering from one. */
  readonly emergencyRateLimitPolicy: string
  readonly caching: CacheRules
}

/** A policy made ready for requests; it never changes: another one takes its place. */
export interface CompiledPolicy {
  readonly version: number
  readonly policy: Policy
  /** The allow-list, trusted proxies, and this machine itself. */
  readonly neverBlocked: AddressRanges
  /** Undefined where nobody is trusted. */
  readonly trust: Trust | undefined
  readonly limits: ReadonlyMap<string, CompiledLimit>
  readonly operations: Operations
  readonly routes: RouteTable<CompiledRoute>
  /** For requests that no route matches. */
  readonly caching: CacheRules
}

export const compilePolicy = (version: number, policy: Policy): CompiledPolicy => {
  const limits = new Map(
    Object.entries(policy.limits).map(([name, limit]) => [
      name,
      compileLimit(name, limit, policy.emergency.limitFactor),
    ]),
  )
  return {
    version,
    policy,
    trust: compileTrust(policy.trustedProxies),
    neverBlocked: new AddressRanges([...policy.blocking.allow, ...policy.trustedProxies.ranges, ...LOOPBACK]),
    limits,
    operations: new Operations(policy.operations),
    caching: new CacheRules(policy, undefined),
    routes: new RouteTable(
      Object.entries(policy.routes).map(
        ([name, route]) => [route.match, compileRoute(name, route, policy, limits)] as const,
      ),
    ),
  }
}

/** Probes, and whoever is within the pod. */
export const LOOPBACK = ['127.0.0.0/8', '::1/128']

const compileTrust = ({ ranges, clientHeader }: Policy['trustedProxies']): Trust | undefined =>
  ranges.length === 0 ? undefined : { ranges: new AddressRanges(ranges), field: clientHeader }

const compileRoute = (
  name: string,
  route: Policy['routes'][string],
  policy: Policy,
  limits: ReadonlyMap<string, CompiledLimit>,
): CompiledRoute => {
  const names = [...new Set(route.limits)]
  return {
    name,
    policy: route,
    limits: names.map((limit) => limits.get(limit) as CompiledLimit), // checks.ts has seen that each is there
    rateLimitPolicy: announcement(names, policy, 1),
    emergencyRateLimitPolicy: announcement(names, policy, policy.emergency.limitFactor),
    caching: new CacheRules(policy, route.cache),
  }
}

const announcement = (names: readonly string[], policy: Policy, factor: number): string =>
  names
    .map((limit) => ({ limit, ...(policy.limits[limit] as Policy['limits'][string]) }))
    .filter(({ announce }) => announce)
    .map(({ limit, requests, perSeconds }) =>
      policyMember(limit, Math.max(Math.floor(requests * factor), 1), perSeconds),
    )
    .join(', ')

const compileLimit = (name: string, limit: Policy['limits'][string], emergencyFactor: number): CompiledLimit => {
  const { requests, perSeconds, burst = requests, keysLimit, announce, exact } = limit
  const emissionMs = (perSeconds * 1_000) / requests
  const rate = { emissionMs, capacityMs: burst * emissionMs }
  const keyKind = 'name' in limit.key ? `${limit.key.by} ${limit.key.name}` : limit.key.by
  return {
    name,
    key: limit.key.by === 'header' ? { by: 'header', lowerName: limit.key.name.toLowerCase() } : limit.key,
    keyKind,
    rate,
    emergencyRate: partOf(rate, 1 / emergencyFactor),
    isExact: exact,
    keysLimit,
    announce,
    reason: `limit "${name}" by ${keyKind}`,
  }
}
