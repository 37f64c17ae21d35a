import type { Logger } from '#shared/log.ts'
import type { Policy } from '../../policy/schema.ts'
import type { Provider } from './provider.ts'

/** Those for which this process has a secret. */
export type ThirdParties = Readonly<Record<'turnstile' | 'hcaptcha', Provider | undefined>>

/** Which provider a policy asks for. One whose secret this process lacks is replaced by ALTCHA, so that people still get in. */
export class Providers {
  readonly #altcha: Provider
  readonly #others: ThirdParties
  readonly #log: Logger
  /** One in force and one in shadow may take turns. */
  readonly #complainedOf = new WeakSet<Policy['challenge']>()

  constructor(altcha: Provider, others: Readonly<Record<'turnstile' | 'hcaptcha', Provider | undefined>>, log: Logger) {
    this.#altcha = altcha
    this.#others = others
    this.#log = log
  }

  of(policy: Policy['challenge']): Provider {
    if (policy.provider === 'altcha') return this.#altcha
    const provider = this.#others[policy.provider]
    if (provider === undefined && !this.#complainedOf.has(policy)) {
      this.#complainedOf.add(policy)
      const variable = policy.provider === 'turnstile' ? 'TURNSTILE_SECRET' : 'HCAPTCHA_SECRET'
      this.#log.error(`challenge.provider is ${policy.provider}, and ${variable} is not set: ALTCHA takes its place`)
    }
    return provider ?? this.#altcha
  }
}
