import type { Logger } from '#shared/log.ts'
import type { Policy } from '../../policy/schema.ts'
import type { ChallengeKeys } from '../keys.ts'
import { clientTag } from './altcha.ts'
import type { Provider } from './provider.ts'
import { SiteVerify } from './site-verify.ts'

/** Secrets of third parties, by provider. */
export interface ProviderSecrets {
  readonly turnstile: string | undefined
  readonly hcaptcha: string | undefined
}

/** Where third parties are; in tests, elsewhere. */
export const SITE_VERIFY_URLS = {
  turnstile: 'https://challenges.cloudflare.com/turnstile/v0/siteverify',
  hcaptcha: 'https://api.hcaptcha.com/siteverify',
}

const TIMEOUT_MS = 3_000

/** Which provider a policy asks for. One whose secret this process lacks is replaced by ALTCHA, so that people still get in. */
export class Providers {
  readonly #altcha: Provider
  readonly #others: Readonly<Record<'turnstile' | 'hcaptcha', Provider | undefined>>
  readonly #log: Logger
  #complainedOf: Policy['challenge'] | undefined

  constructor(altcha: Provider, others: Readonly<Record<'turnstile' | 'hcaptcha', Provider | undefined>>, log: Logger) {
    this.#altcha = altcha
    this.#others = others
    this.#log = log
  }

  of(policy: Policy['challenge']): Provider {
    if (policy.provider === 'altcha') return this.#altcha
    const provider = this.#others[policy.provider]
    if (provider === undefined && this.#complainedOf !== policy) {
      this.#complainedOf = policy
      const variable = policy.provider === 'turnstile' ? 'TURNSTILE_SECRET' : 'HCAPTCHA_SECRET'
      this.#log.error(`challenge.provider is ${policy.provider}, and ${variable} is not set: ALTCHA takes its place`)
    }
    return provider ?? this.#altcha
  }
}

/** @param urls where tokens are checked */
export const thirdParties = (
  secrets: ProviderSecrets,
  keys: { readonly current: ChallengeKeys },
  service: string,
  urls: Readonly<Record<'turnstile' | 'hcaptcha', string>> = SITE_VERIFY_URLS,
  timeoutMs: number = TIMEOUT_MS,
): Record<'turnstile' | 'hcaptcha', Provider | undefined> => ({
  turnstile:
    secrets.turnstile === undefined
      ? undefined
      : new SiteVerify({
          name: 'turnstile',
          url: urls.turnstile,
          secret: secrets.turnstile,
          timeoutMs,
          thirdParty: {
            script: 'https://challenges.cloudflare.com/turnstile/v0/api.js',
            sources: 'https://challenges.cloudflare.com',
            isWide: false,
            widgetClass: 'cf-turnstile',
          },
          marks: { action: 'sidegate', clientTag: (client) => clientTag(keys.current.primary, service, client) },
        }),
  hcaptcha:
    secrets.hcaptcha === undefined
      ? undefined
      : new SiteVerify({
          name: 'hcaptcha',
          url: urls.hcaptcha,
          secret: secrets.hcaptcha,
          timeoutMs,
          thirdParty: {
            script: 'https://js.hcaptcha.com/1/api.js',
            sources: 'https://hcaptcha.com https://*.hcaptcha.com',
            isWide: true,
            widgetClass: 'h-captcha',
          },
        }),
})
