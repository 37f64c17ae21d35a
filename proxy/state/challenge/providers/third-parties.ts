import type { ChallengeKeys } from '../keys.ts'
import { clientTag } from './altcha.ts'
import type { ThirdParties } from './providers.ts'
import { SiteVerify } from './site-verify.ts'

/** Secrets of third parties, by provider. */
interface ProviderSecrets {
  readonly turnstile: string | undefined
  readonly hcaptcha: string | undefined
}

/** Where third parties are; in tests, elsewhere. */
const SITE_VERIFY_URLS = {
  turnstile: 'https://challenges.cloudflare.com/turnstile/v0/siteverify',
  hcaptcha: 'https://api.hcaptcha.com/siteverify',
}

const TIMEOUT_MS = 3_000

/** @param urls where tokens are checked */
export const thirdParties = (
  secrets: ProviderSecrets,
  keys: { readonly current: ChallengeKeys },
  service: string,
  urls: Readonly<Record<'turnstile' | 'hcaptcha', string>> = SITE_VERIFY_URLS,
  timeoutMs: number = TIMEOUT_MS,
): ThirdParties => ({
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
