import { z } from 'zod'
import { documentProblems, hiddenKeys } from '#shared/document-problem.ts'
import type { KeysetReading } from '#shared/keyring.ts'
import type { MachineTokens } from './machine-tokens.ts'

const SHA256_MEANING =
  'expected the SHA-256 of the token, as 64 hexadecimal digits (printf %s "$TOKEN" | sha256sum tells it)'
const NAME_MEANING = 'expected a name of 1 to 64 letters, digits, ".", "_" or "-"'

const keyset = z.record(
  z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, NAME_MEANING),
  z.strictObject(
    {
      sha256: z.string(SHA256_MEANING).regex(/^[0-9a-fA-F]{64}$/, SHA256_MEANING),
      status: z.enum(['enabled', 'disabled'], 'expected enabled or disabled').default('enabled'),
    },
    'expected {sha256: …}',
  ),
  'expected names, each with {sha256: …}',
)

/**
 * Reads a keyset of tokens:
 *
 *     nightly-export: {sha256: 5994…}
 *     old-partner: {sha256: 81f2…, status: disabled}
 */
export const readMachineTokens = (document: unknown): KeysetReading<MachineTokens> => {
  const what = 'a keyset of machine tokens'
  const parsed = keyset.safeParse(document, { reportInput: true })
  if (!parsed.success) return { kind: 'bad', problems: documentProblems(parsed.error, what) }
  const hidden = hiddenKeys(document, what)
  if (hidden.length > 0) return { kind: 'bad', problems: hidden }
  const owners = new Map<string, string>()
  const enabled = new Map<string, string>()
  for (const [name, { sha256, status }] of Object.entries(parsed.data)) {
    const digest = sha256.toLowerCase()
    const twin = owners.get(digest)
    if (twin !== undefined) {
      const message = `is the token of ${twin}, too: give each its own`
      return { kind: 'bad', problems: [{ path: `${name}.sha256`, message }] }
    }
    owners.set(digest, name)
    if (status === 'enabled') enabled.set(digest, name)
  }
  return { kind: 'good', keys: enabled, names: [...enabled.values()] }
}
