import { z } from 'zod'
import { documentProblems, hiddenKeys } from '#shared/document-problem.ts'
import type { KeysetReading } from '#shared/keyring.ts'
import { type ChallengeKey, type ChallengeKeys, challengeKey, SECRET } from './keys.ts'

const SECRET_MEANING = 'expected a secret of 32 to 512 characters without spaces (openssl rand -base64 32 makes one)'
const NAME_MEANING = 'expected a name of 1 to 32 letters, digits, "_" or "-"'
const ENTRY_MEANING = 'expected {secret: …, status: primary, enabled or disabled}'

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
