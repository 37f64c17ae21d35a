import { type Fields, isFields } from './fields.ts'
import { refusalOf } from './refusal.ts'
import type { CliSettings } from './settings.ts'
import { Unreachable, unreachable } from './unreachable.ts'

/** An answer of the server that is not a refusal. */
export interface AdminReply {
  readonly body: Fields
  /** The same as it came; empty where there is no body. */
  readonly text: string
}

export interface AdminCall {
  readonly yaml?: Buffer
  readonly json?: unknown
  /** The version that a change is made from. */
  readonly from?: number
}

/** Fifty versions of a policy of a mebibyte each, and no more. */
const REPLY_LIMIT_BYTES = 64 * 1_048_576

/** The admin API of one proxy. A call ends within its timeout: with an answer, or with a CliError that says why not. */
export class AdminClient {
  readonly #settings: CliSettings

  constructor(settings: CliSettings) {
    this.#settings = settings
  }

  /** @throws Unreachable; CliError where the server refuses */
  async call(method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, call: AdminCall = {}): Promise<AdminReply> {
    const { adminUrl, timeoutMs } = this.#settings
    const { status, text } = await this.#exchange(method, path, call).catch((error: Error) => {
      throw unreachable(error, { method, adminUrl, timeoutMs })
    })
    const body = parsed(text)
    if (status === 204) return { body: {}, text: '' }
    if (status >= 200 && status < 300 && isFields(body)) return { body, text }
    if (status >= 400) throw refusalOf(status, body, text)
    throw notTheAdminApi(adminUrl, `${method} ${path} was answered with ${status} and no JSON object`)
  }

  /** What a field must be for the command to go on. @throws Unreachable */
  need<T>(reply: AdminReply, name: string, isWell: (value: unknown) => value is T): T {
    const value = reply.body[name]
    if (isWell(value)) return value
    throw notTheAdminApi(this.#settings.adminUrl, `a reply has no "${name}" that could be one`)
  }

  async #exchange(
    method: string,
    path: string,
    { yaml, json, from }: AdminCall,
  ): Promise<{ status: number; text: string }> {
    const { adminUrl, token, timeoutMs } = this.#settings
    const body = yaml === undefined ? (json === undefined ? undefined : JSON.stringify(json)) : new Uint8Array(yaml)
    const reply = await fetch(`${adminUrl.replace(/\/+$/, '')}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': yaml === undefined ? 'application/json' : 'application/yaml' }),
        ...(from !== undefined && { 'If-Match': `"${from}"` }),
      },
      ...(body !== undefined && { body }),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { status: reply.status, text: await textOf(reply) }
  }
}

const notTheAdminApi = (adminUrl: string, why: string): Unreachable =>
  new Unreachable(
    'garbage',
    `What answers at ${adminUrl} is not Sidegate's admin API: ${why}. Check SIDEGATE_ADMIN_URL.`,
  )

const textOf = async (reply: Response): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of reply.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > REPLY_LIMIT_BYTES) throw new Error(`a reply of more than ${REPLY_LIMIT_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // what is no JSON is told of by whoever needs it
  }
}
