import { createHmac, hash, randomInt, randomUUID, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '#shared/clock.ts'
import type { Policy } from '../../policy/schema.ts'
import type { ChallengeKey, ChallengeKeys } from '../keys.ts'
import type { UsedPuzzles } from '../used-puzzles.ts'
import { malformedAnswer } from './answer-problems.ts'
import type { Challenged, Provider, Puzzle, Verified } from './provider.ts'

const TAG_BYTES = 16
const HEX_MEANING = 'expected 64 hexadecimal digits, as the puzzle has them'
const NUMBER_MEANING = 'expected the number that solves the puzzle, as a whole number of 0 or more'
const SALT_MEANING = 'expected the salt of the puzzle, as it came'

const digest = () => z.string(HEX_MEANING).regex(/^[0-9a-f]{64}$/, HEX_MEANING)

const answerSchema = z.object(
  {
    algorithm: z.literal('SHA-256', 'expected SHA-256').optional(),
    challenge: digest(),
    number: z.number(NUMBER_MEANING).int(NUMBER_MEANING).min(0, NUMBER_MEANING),
    salt: z.string(SALT_MEANING).min(1, SALT_MEANING).max(512, SALT_MEANING),
    signature: digest(),
  },
  'expected a JSON object with challenge, number, salt and signature',
)

/**
 * Proof of work in the format of ALTCHA, version 1: the client finds the number for which SHA-256(salt number) is the
 * challenge. All that must hold stands in the salt, which the challenge and so its signature cover:
 *
 *     <random>?expires=<seconds>&kid=<key>&client=<tag of the address prefix>&
 *
 * Made and checked without a promise, since a flood is what asks for puzzles: `altcha-lib` takes 85 µs and more for what
 * takes 8 here (docs/decisions/0017-challenge.md). Its own functions check ours in the tests.
 */
export class Altcha implements Provider {
  readonly name = 'altcha'
  readonly thirdParty = undefined
  readonly #keys: { readonly current: ChallengeKeys }
  readonly #service: string
  readonly #used: UsedPuzzles
  readonly #clock: Clock

  constructor(keys: { readonly current: ChallengeKeys }, service: string, used: UsedPuzzles, clock: Clock) {
    this.#keys = keys
    this.#service = service
    this.#used = used
    this.#clock = clock
  }

  puzzle({ key: client }: Challenged, { difficulty, puzzleSeconds }: Policy['challenge']): Puzzle {
    const key = this.#keys.current.primary
    const expires = Math.floor(this.#clock.wallMs() / 1_000) + puzzleSeconds
    // From a cache of random bytes, of which `randomBytes` has none: a tenth of its time.
    const salt = `${randomUUID()}?expires=${expires}&kid=${key.id}&client=${clientTag(key, this.#service, client)}&`
    const challenge = hash('sha256', `${salt}${randomInt(difficulty + 1)}`, 'hex')
    return {
      provider: 'altcha',
      algorithm: 'SHA-256',
      challenge,
      maxnumber: difficulty,
      salt,
      signature: signatureOf(key, challenge).toString('hex'),
      expiresAt: new Date(expires * 1_000).toISOString(),
    }
  }

  async verify(given: unknown, { key: client }: Challenged): Promise<Verified> {
    const parsed = answerSchema.safeParse(given, { reportInput: true })
    if (!parsed.success) return malformedAnswer(parsed.error)
    const { challenge, number, salt, signature } = parsed.data
    const said = new URLSearchParams(salt.slice(salt.indexOf('?') + 1))
    const key = this.#keys.current.byId.get(said.get('kid') ?? '')
    if (key === undefined || !timingSafeEqual(Buffer.from(signature, 'hex'), signatureOf(key, challenge))) {
      return { result: 'forged', reason: 'a puzzle signed by no key that is good now' }
    }
    // Only now is the salt known to be ours.
    if (hash('sha256', `${salt}${number}`, 'hex') !== challenge) {
      return { result: 'wrong', reason: 'a number that does not solve the puzzle, or another salt' }
    }
    const expiresAtMs = Number(said.get('expires')) * 1_000
    if (!(this.#clock.wallMs() < expiresAtMs)) return { result: 'expired' }
    if (said.get('client') !== clientTag(key, this.#service, client)) return { result: 'other-address' }
    return { result: (await this.#used.use(signature, expiresAtMs)) ? 'solved' : 'replayed' }
  }
}

const signatureOf = (key: ChallengeKey, challenge: string): Buffer =>
  createHmac('sha256', key.puzzle).update(challenge).digest()

/** Stands for a client, and says nothing of it: what a client is to us may be an address of our own network. */
export const clientTag = (key: ChallengeKey, service: string, client: string): string =>
  createHmac('sha256', key.client).update(`${service}\n${client}`).digest().toString('base64url', 0, TAG_BYTES)
