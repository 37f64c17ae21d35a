import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '#shared/clock.ts'
import type { ChallengeKey, ChallengeKeys } from './keys.ts'
import { Recent } from './recent.ts'

/** What shows that a client has answered a challenge. */
export interface Clearance {
  readonly token: string
  readonly expiresAtMs: number
}

/** `expired` and `foreign` (another client's, or changed) are told apart for the log alone: who has one is asked again. */
export type ClearanceCheck = 'good' | 'expired' | 'foreign'

/** Tokens that have been verified, so that a cleared client does not pay for a signature at each request. */
const VERIFIED_LIMIT = 20_000
const TOKEN = /^v1\.([A-Za-z0-9_-]{1,32})\.([0-9a-z]{1,9})\.([A-Za-z0-9_-]{43})$/

/**
 * Makes clearances and knows them again. One is bound to the service, to the client's address prefix and to its expiry:
 *
 *     v1 . <id of the key> . <expiry, seconds since the epoch in base 36> . <HMAC-SHA-256>
 */
export class Clearances {
  readonly #keys: { readonly current: ChallengeKeys }
  readonly #service: string
  readonly #clock: Clock
  /** Until when a token is good, by token and client. */
  readonly #verified = new Recent<number>(VERIFIED_LIMIT)
  /** The keys that they were verified by: one that is disabled makes all of its clearances bad at once. */
  #verifiedBy: ChallengeKeys

  /** @param service whose fleet it is: a clearance of one opens no other, though they share their keys */
  constructor(keys: { readonly current: ChallengeKeys }, service: string, clock: Clock) {
    this.#keys = keys
    this.#service = service
    this.#clock = clock
    this.#verifiedBy = keys.current
  }

  /** How many are remembered as verified. */
  get verifiedCount(): number {
    return this.#verified.size
  }

  /** @param client its address prefix */
  issue(client: string, lifeSeconds: number): Clearance {
    const key = this.#keys.current.primary
    const expires = Math.floor(this.#clock.wallMs() / 1_000) + lifeSeconds
    const signed = `v1.${key.id}.${expires.toString(36)}`
    const mac = this.#mac(key, signed, client).toString('base64url')
    return { token: `${signed}.${mac}`, expiresAtMs: expires * 1_000 }
  }

  check(token: string, client: string): ClearanceCheck {
    const keys = this.#keys.current
    if (keys !== this.#verifiedBy) {
      this.#verifiedBy = keys
      this.#verified.clear()
    }
    const known = `${client} ${token}`
    const expiresAtMs = this.#verified.get(known)
    if (expiresAtMs !== undefined) return this.#clock.wallMs() < expiresAtMs ? 'good' : 'expired'

    const [, id = '', expires = '', mac = ''] = TOKEN.exec(token) ?? []
    const key = keys.byId.get(id)
    if (key === undefined) return 'foreign'
    const expected = this.#mac(key, token.slice(0, -mac.length - 1), client)
    const given = Buffer.from(mac, 'base64url')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'foreign'
    const untilMs = Number.parseInt(expires, 36) * 1_000
    if (this.#clock.wallMs() >= untilMs) return 'expired'
    this.#verified.set(known, untilMs)
    return 'good'
  }

  #mac(key: ChallengeKey, signed: string, client: string): Buffer {
    return createHmac('sha256', key.clearance).update(`${signed}\n${this.#service}\n${client}`).digest()
  }
}
