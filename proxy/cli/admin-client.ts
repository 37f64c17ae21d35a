import { CliError } from './exit-status.ts'
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
  /** Plain text. */
  readonly lines?: string
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

  /**
   * A reply of plain text, as it comes: not all of it, but each next part of it comes within the timeout.
   *
   * @throws as {@link call} does
   */
  async stream(path: string, take: (text: string) => void): Promise<void> {
    const { adminUrl, timeoutMs } = this.#settings
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(new DOMException('silence', 'TimeoutError')), timeoutMs)
    let isBegun = false
    try {
      const reply = await this.#fetch('GET', path, {}, silence.signal)
      if (reply.status !== 200) {
        const text = await textOf(reply)
        throw refusalOf(reply.status, parsed(text), text)
      }
      if (!/^text\/plain\b/.test(reply.headers.get('content-type') ?? '')) {
        throw notTheAdminApi(adminUrl, `GET ${path} was answered with no plain text`)
      }
      const decoder = new TextDecoder()
      for await (const chunk of reply.body ?? []) {
        timer.refresh()
        isBegun = true
        take(decoder.decode(chunk, { stream: true }))
      }
      take(decoder.decode())
    } catch (error) {
      if (error instanceof CliError) throw error
      const failed = unreachable(error as Error, { method: 'GET', adminUrl, timeoutMs })
      throw isBegun ? new Unreachable(failed.reason, `${failed.message}\nWhat has been printed is not all.`) : failed
    } finally {
      clearTimeout(timer)
    }
  }

  #fetch(method: string, path: string, call: AdminCall, signal: AbortSignal): Promise<Response> {
    const { adminUrl, token } = this.#settings
    const content = contentOf(call)
    return fetch(`${adminUrl.replace(/\/+$/, '')}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(content !== undefined && { 'Content-Type': content.type }),
        ...(call.from !== undefined && { 'If-Match': `"${call.from}"` }),
      },
      ...(content !== undefined && { body: content.body }),
      redirect: 'manual',
      signal,
    })
  }

  async #exchange(method: string, path: string, call: AdminCall): Promise<{ status: number; text: string }> {
    const reply = await this.#fetch(method, path, call, AbortSignal.timeout(this.#settings.timeoutMs))
    return { status: reply.status, text: await textOf(reply) }
  }
}

/** What is sent, and its type. */
const contentOf = ({
  yaml,
  json,
  lines,
}: AdminCall): { body: string | Uint8Array<ArrayBuffer>; type: string } | undefined => {
  if (yaml !== undefined) return { body: new Uint8Array(yaml), type: 'application/yaml' }
  if (lines !== undefined) return { body: lines, type: 'text/plain; charset=utf-8' }
  return json === undefined ? undefined : { body: JSON.stringify(json), type: 'application/json' }
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
