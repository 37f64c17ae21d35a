import { RouteTable } from './route-table.ts'
import type { Policy } from './schema.ts'

/** A route as layers look at it. */
export interface CompiledRoute {
  readonly name: string
  readonly policy: Policy['routes'][string]
}

/** A policy made ready for requests; it never changes: another one takes its place. */
export interface CompiledPolicy {
  readonly version: number
  readonly policy: Policy
  readonly routes: RouteTable<CompiledRoute>
}

export const compilePolicy = (version: number, policy: Policy): CompiledPolicy => ({
  version,
  policy,
  routes: new RouteTable(
    Object.entries(policy.routes).map(([name, route]) => [route.match, { name, policy: route }] as const),
  ),
})
