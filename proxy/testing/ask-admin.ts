import { readFileSync } from 'node:fs'
import { operations } from '../admin/replies.ts'
import { problemReply } from '../admin/reply-bodies.ts'

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
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[]
  readonly responses: Readonly<Record<string, unknown>>
}

const { paths } = JSON.parse(readFileSync('docs/openapi-admin.json', 'utf8')) as {
  paths: Record<string, Record<string, DescribedOperation>>
}

/** What stands for the parameters of paths, and for those of queries that must be there. */
const EXAMPLES: Readonly<Record<string, string>> = {
  version: '0',
  range: '192.0.2.7',
  name: 'read',
  address: '192.0.2.0',
  bits: '24',
  id: '00000000-0000-4000-8000-000000000000',
}

/** Each route of the admin port that the OpenAPI document knows, with examples in the place of parameters. */
export const describedRoutes = Object.entries(paths).flatMap(([template, methods]) => {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => EXAMPLES[name] ?? name)
  return Object.entries(methods).map(([method, operation]) => {
    const needed = operation.parameters.filter((one) => one.in === 'query' && one.required)
    const query = needed.map(({ name }) => `${name}=${EXAMPLES[name]}`).join('&')
    return { path: query === '' ? filled : `${filled}?${query}`, method: method.toUpperCase(), operation }
  })
})

/** Of the document's paths, the one that is meant: one with nothing left open before one with parameters. */
const templateOf = (path: string): string | undefined =>
  path in paths
    ? path
    : Object.keys(paths).find((template) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path))

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
  const operation = paths[templateOf(path) ?? '']?.[method.toLowerCase()]
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
