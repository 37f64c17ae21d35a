import { createHmac, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { documentProblems, hiddenKeys } from '#shared/document-problem.ts'
import type { KeysetReading } from '#shared/keyring.ts'

/** A secret of the keyring, as what is made of it: each use has a key of its own, so that none can be taken for another's. */
export interface ChallengeKey {
  readonly id: string
  /** A text, as the libraries of ALTCHA have it. */
  readonly puzzle: string
  readonly clearance: Buffer
  /** Tells clients apart without naming them. */
  readonly client: Buffer
}

/** The keys that are good now. */
export interface ChallengeKeys {
  /** Signs. */
  readonly primary: ChallengeKey
  /** Verify, the primary included. */
  readonly byId: ReadonlyMap<string, ChallengeKey>
}

const challengeKey = (id: string, secret: string): ChallengeKey => {
  const derived = (use: string) => createHmac('sha256', secret).update(`sidegate ${use}`).digest()
  return { id, puzzle: derived('puzzle').toString('hex'), clearance: derived('clearance'), client: derived('client') }
}

/** Of one secret. */
export const soleKey = (id: string, secret: string): ChallengeKeys => {
  const primary = challengeKey(id, secret)
  return { primary, byId: new Map([[id, primary]]) }
}

/** A secret for one process, or for a fleet that is given it. */
export const newSecret = (): string => randomBytes(32).toString('base64url')

const SECRET_MEANING = 'expected a secret of 32 to 512 characters without spaces (openssl rand -base64 32 makes one)'
const NAME_MEANING = 'expected a name of 1 to 32 letters, digits, "_" or "-"'
const ENTRY_MEANING = 'expected {secret: …, status: primary, enabled or disabled}'

/** As a variable of the environment or a line of the keyring has it. */
export const SECRET = /^[!-~]{32,512}$/

const entry = z.strictObject(
  {
    secret: z.string(SECRET_MEANING).regex(SECRET, SECRET_MEANING),
    status: z.enum(['primary', 'enabled', 'disabled'], 'expected primary, enabled or disabled'),
  },
  ENTRY_MEANING,
)

const keyset = z.record(
  z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, NAME_MEANING),
  entry,
  `expected names, each with ${ENTRY_MEANING.slice('expected '.length)}`,
)

/**
 * Reads a keyset; undefined where there are no keys in it:
 *
 *     k2026-11: {secret: 0BqW…, status: primary}    signs, and verifies
 *     k2026-05: {secret: gT3e…, status: enabled}    verifies what it has signed
 *     k2025-11: {secret: Xw81…, status: disabled}
 */
export const readChallengeKeys = (document: unknown): KeysetReading<ChallengeKeys | undefined> => {
  const what = 'a keyset of challenges'
  const parsed = keyset.safeParse(document, { reportInput: true })
  if (!parsed.success) return { kind: 'bad', problems: documentProblems(parsed.error, what) }
  const hidden = hiddenKeys(document, what)
  if (hidden.length > 0) return { kind: 'bad', problems: hidden }
  const entries = Object.entries(parsed.data)
  if (entries.length === 0) return { kind: 'good', keys: undefined, names: [] }
  const primaries = entries.filter(([, { status }]) => status === 'primary').map(([name]) => name)
  const [first, ...others] = primaries
  if (first === undefined || others.length > 0) {
    const found = first === undefined ? 'none is' : `${primaries.join(' and ')} are`
    return { kind: 'bad', problems: [{ path: '', message: `exactly one key must be primary: ${found}` }] }
  }
  const enabled = entries.filter(([, { status }]) => status !== 'disabled')
  const byId = new Map(enabled.map(([name, { secret }]) => [name, challengeKey(name, secret)]))
  const keys = { primary: byId.get(first) as ChallengeKey, byId }
  return { kind: 'good', keys, names: enabled.map(([name, { status }]) => `${name} (${status})`) }
}
