import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { documentProblems, hiddenKeys } from '#shared/document-problem.ts'
import type { KeysetReading } from '#shared/keyring.ts'

/** `read` looks, `operate` changes, too. */
export type Role = 'read' | 'operate'

/** Who asks: the name stands in the audit log and in the history of the policy. */
export interface Caller {
  readonly name: string
  readonly role: Role
}

/** A token as it is kept: its digest alone, from which no token of 128 bits can be found. */
export interface AdminToken extends Caller {
  readonly sha256: Buffer
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** A token that was given as it is, as in a variable of the environment. */
export const plainToken = (name: string, role: Role, token: string): AdminToken => ({
  name,
  role,
  sha256: digest(token),
})

/** Names that the process gives itself: in the log they must be nobody else's. */
const OWN_NAMES = ['ADMIN_TOKEN', 'ADMIN_READ_TOKEN', 'sidegate', 'defaults']
const NAME_MEANING = `expected a name of 1 to 64 letters, digits, ".", "_" or "-", other than ${OWN_NAMES.join(', ')}`
const SHA256_MEANING =
  'expected the SHA-256 of the token, as 64 hexadecimal digits (npm run sidegate -- token NAME makes one)'

const entry = z.strictObject(
  {
    role: z.enum(['read', 'operate'], 'expected read or operate'),
    sha256: z.string(SHA256_MEANING).regex(/^[0-9a-fA-F]{64}$/, SHA256_MEANING),
    status: z.enum(['enabled', 'disabled'], 'expected enabled or disabled').default('enabled'),
  },
  'expected {role: read or operate, sha256: …}',
)

const keyset = z.record(
  z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, NAME_MEANING)
    .refine((name) => !OWN_NAMES.includes(name), NAME_MEANING),
  entry,
  'expected names, each with {role: read or operate, sha256: …}',
)

/**
 * Reads a keyset of tokens:
 *
 *     alice: {role: operate, sha256: 5994…}
 *     grafana: {role: read, sha256: 81f2…, status: disabled}
 */
export const readAdminTokens = (document: unknown): KeysetReading<readonly AdminToken[]> => {
  const parsed = keyset.safeParse(document, { reportInput: true })
  if (!parsed.success) return { kind: 'bad', problems: documentProblems(parsed.error, 'a keyset of tokens') }
  const hidden = hiddenKeys(document, 'a keyset of tokens')
  if (hidden.length > 0) return { kind: 'bad', problems: hidden }
  const tokens = new Map<string, AdminToken & { readonly status: 'enabled' | 'disabled' }>()
  for (const [name, { role, sha256, status }] of Object.entries(parsed.data)) {
    const twin = tokens.get(sha256.toLowerCase())
    if (twin !== undefined) {
      const message = `is the token of ${twin.name}, too: give each its own`
      return { kind: 'bad', problems: [{ path: `${name}.sha256`, message }] }
    }
    tokens.set(sha256.toLowerCase(), { name, role, status, sha256: Buffer.from(sha256, 'hex') })
  }
  const enabled = [...tokens.values()].filter(({ status }) => status === 'enabled')
  return { kind: 'good', keys: enabled, names: enabled.map(({ name, role }) => `${name} (${role})`) }
}

/** Who bears a token, by `Authorization: Bearer …`. Each is compared, and whole: the time taken tells nothing. */
export const bearerOf = (authorization: string | undefined, tokens: readonly AdminToken[]): Caller | undefined => {
  const [scheme = '', ...rest] = (authorization ?? '').split(' ')
  const given = digest(rest.join(' '))
  let found: AdminToken | undefined
  for (const token of tokens) if (timingSafeEqual(given, token.sha256)) found = token
  return scheme.toLowerCase() === 'bearer' ? found : undefined
}
