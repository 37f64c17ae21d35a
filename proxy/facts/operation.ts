import type { CompiledRoute } from '../state/policy/compile.ts'

/** The name of the operation that a request is: its route's, else `read` for what is safe, and `write`. */
export const operationOf = (route: CompiledRoute | undefined, method: string): string =>
  route?.policy.operation ?? (isRead(method) ? 'read' : 'write')

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
