import { z } from 'zod'
import type { Policy } from '../../policy/schema.ts'
import { malformedAnswer } from './answer-problems.ts'
import type { Challenged, Provider, Puzzle, ThirdParty, Verified } from './provider.ts'

/** A third party that a widget in the page talks to, and that is asked afterwards whether its token is good. */
export interface SiteVerifySettings {
  readonly name: 'turnstile' | 'hcaptcha'
  /** Where tokens are checked, by POST. */
  readonly url: string
  readonly secret: string
  readonly timeoutMs: number
  readonly thirdParty: ThirdParty
  /** Of the widget, where its provider gives back what it was for: `action`, and who was asked, as `cdata`. */
  readonly marks?: { readonly action: string; clientTag(client: string): string }
}

/** More at once are refused, and not admitted: else a flood of invented tokens would open the door for itself. */
const UNDER_WAY_LIMIT = 64
const REPLY_LIMIT_CHARACTERS = 65_536
const TOKEN_MEANING = 'expected the token that the widget gave, as a text'

const answerSchema = z.object(
  { token: z.string(TOKEN_MEANING).regex(/^[!-~]{1,8192}$/, TOKEN_MEANING) },
  'expected a JSON object with token',
)

/** What both providers reply; `hostname` is where the widget ran. */
const replySchema = z.object({
  success: z.boolean(),
  hostname: z.string().optional(),
  action: z.string().optional(),
  cdata: z.string().optional(),
  'error-codes': z.array(z.string()).optional(),
})

type SiteReply = z.output<typeof replySchema>

/**
 * Errors of ours or of the provider, which says nothing about the token then. `bad-request` is none of them: a client could
 * bring it about, and be admitted for it.
 */
const OWN_ERRORS = new Set([
  'missing-input-secret',
  'invalid-input-secret',
  'sitekey-secret-mismatch',
  'internal-error',
])

/** Turnstile or hCaptcha, which share a protocol. Each token is theirs to take once alone. */
export class SiteVerify implements Provider {
  readonly name: 'turnstile' | 'hcaptcha'
  readonly thirdParty: ThirdParty
  readonly #settings: SiteVerifySettings
  #underWay = 0

  constructor(settings: SiteVerifySettings) {
    this.name = settings.name
    this.thirdParty = settings.thirdParty
    this.#settings = settings
  }

  puzzle({ key }: Challenged, { siteKey }: Policy['challenge']): Puzzle {
    const { marks } = this.#settings
    return {
      provider: this.name,
      siteKey,
      ...(marks !== undefined && { action: marks.action, cData: marks.clientTag(key) }),
    }
  }

  async verify(given: unknown, client: Challenged, policy: Policy['challenge']): Promise<Verified> {
    const parsed = answerSchema.safeParse(given, { reportInput: true })
    if (!parsed.success) return malformedAnswer(parsed.error)
    if (this.#underWay >= UNDER_WAY_LIMIT) return { result: 'unavailable', reason: 'too many answers at once' }
    this.#underWay++
    try {
      return this.#judge(await this.#ask(parsed.data.token, client, policy), client)
    } catch (error) {
      const reason = `${this.name} could not be asked: ${whyOf(error)}`
      return { result: policy.whenProviderFails === 'admit' ? 'unverified' : 'unavailable', reason }
    } finally {
      this.#underWay--
    }
  }

  async #ask(token: string, { address }: Challenged, { siteKey }: Policy['challenge']): Promise<SiteReply> {
    const { url, secret, timeoutMs, name } = this.#settings
    const body = new URLSearchParams({ secret, response: token })
    if (address !== 'unknown') body.set('remoteip', address)
    if (name === 'hcaptcha' && siteKey !== undefined) body.set('sitekey', siteKey)
    // The global one is loaded when it is first called: a proxy that asks nobody does not have it in memory.
    const reply = await fetch(url, { method: 'POST', body, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    const text = await reply.text()
    if (text.length > REPLY_LIMIT_CHARACTERS) throw new Error('a reply of more than 64 KiB')
    const read = replySchema.safeParse(parseJson(text))
    if (isRequestRefused(reply.status) && !read.success) {
      return { success: false, 'error-codes': [`status ${reply.status}`] }
    }
    if (!read.success) throw new Error(`status ${reply.status} with a reply that is none`)
    const ownErrors = (read.data['error-codes'] ?? []).filter((code) => OWN_ERRORS.has(code))
    if (!read.data.success && ownErrors.length > 0) throw new Error(ownErrors.join(', '))
    return read.data
  }

  #judge(reply: SiteReply, client: Challenged): Verified {
    const { marks } = this.#settings
    if (!reply.success) return { result: 'rejected', reason: (reply['error-codes'] ?? []).join(', ') }
    const { hostname, action, cdata } = reply
    if (hostname !== undefined && hostname !== '' && hostname !== 'not-provided' && hostname !== client.hostname) {
      return { result: 'rejected', reason: `a token of ${JSON.stringify(hostname)}, not ${client.hostname}` }
    }
    if (marks === undefined) return { result: 'solved' }
    if (action !== undefined && action !== marks.action) {
      return { result: 'rejected', reason: `a token for ${JSON.stringify(action)}, not ${marks.action}` }
    }
    const isOthers = cdata !== undefined && cdata !== '' && cdata !== marks.clientTag(client.key)
    return { result: isOthers ? 'other-address' : 'solved' }
  }
}

/** For what the client has put into it: a failure of the provider's is 5xx, or 429. */
const isRequestRefused = (status: number): boolean => status >= 400 && status < 500 && status !== 408 && status !== 429

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // which is no reply, and told as such
  }
}

/** `fetch failed` alone would help nobody. */
const whyOf = (error: unknown): string => {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
