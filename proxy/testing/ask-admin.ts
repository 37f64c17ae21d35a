import { readFileSync } from 'node:fs'
import { operations, problemReply } from '../admin/replies.ts'

/** Of the proxies that tests ask, and do not start otherwise. */
export const ADMIN_TOKEN = 'a-token-for-the-test'

export interface AdminAnswer {
  readonly status: number
  readonly etag: string | null
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what it is, is what the test looks at
  readonly body: any
}

export interface AdminRequest {
  /** A text is sent as YAML, anything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Undefined for {@link ADMIN_TOKEN}, null for none. */
  readonly token?: string | null
}

interface DescribedOperation {
  readonly operationId: string
  readonly security?: unknown
  readonly responses: Readonly<Record<string, unknown>>
}

const { paths } = JSON.parse(readFileSync('docs/openapi-admin.json', 'utf8')) as {
  paths: Record<string, Record<string, DescribedOperation>>
}

/** Each route of the admin port that the OpenAPI document knows; a version in its path is 0. */
export const describedRoutes = Object.entries(paths).flatMap(([template, methods]) => {
  const path = template.replace('{version}', '0')
  return Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation }))
})

/** Asks the admin port; what it answers is held against its OpenAPI document. */
export const askAdmin = async (
  admin: string,
  method: string,
  path: string,
  { body, headers = {}, token = ADMIN_TOKEN }: AdminRequest = {},
): Promise<AdminAnswer> => {
  const reply = await fetch(`${admin}${path}`, {
    method,
    headers: {
      ...(token !== null && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': typeof body === 'string' ? 'application/yaml' : 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await reply.text()
  const type = reply.headers.get('content-type') ?? ''
  const answer = {
    ...{ status: reply.status, etag: reply.headers.get('etag'), headers: reply.headers },
    body: type.includes('json') ? JSON.parse(text) : text,
  }
  holdAgainstDocument(method, new URL(path, admin).pathname, answer)
  return answer
}

const holdAgainstDocument = (method: string, path: string, { status, body }: AdminAnswer): void => {
  const operation = paths[path.replace(/\/\d+$/, '/{version}')]?.[method.toLowerCase()]
  if (operation === undefined) return
  if (!(status in operation.responses))
    throw new Error(`${method} ${path}: ${status} is not in docs/openapi-admin.json`)
  const documented = operations[operation.operationId]?.replies[status]
  const schema = documented === undefined ? problemReply : documented.schema
  const parsed = schema?.safeParse(body)
  if (parsed?.success === false) {
    throw new Error(`${method} ${path}: ${status} is not as docs/openapi-admin.json says: ${parsed.error.message}`)
  }
}
