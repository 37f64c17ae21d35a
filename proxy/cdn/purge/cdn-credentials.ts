import { z } from 'zod'
import { documentProblems, hiddenKeys } from '#shared/document-problem.ts'
import type { KeysetReading } from '#shared/keyring.ts'

/** By provider. */
export type CdnCredentials = ReadonlyMap<string, string>

export const NO_CREDENTIALS: CdnCredentials = new Map()

const TOKEN_MEANING = 'expected a token of 8 to 512 characters without spaces'

const keyset = z.partialRecord(
  z.enum(['cloudflare', 'fastly', 'webhook'], 'expected cloudflare, fastly or webhook'),
  z.strictObject(
    { token: z.string(TOKEN_MEANING).regex(/^[\x21-\x7e]{8,512}$/, TOKEN_MEANING) },
    'expected {token: …}',
  ),
  'expected providers, each with {token: …}',
)

/**
 * Reads what CDNs are told purges with:
 *
 *     cloudflare: {token: 0BqW…}
 *     webhook: {token: gT3e…}     signs what is sent
 */
export const readCdnCredentials = (document: unknown): KeysetReading<CdnCredentials> => {
  const what = 'a keyset of CDN credentials'
  const parsed = keyset.safeParse(document, { reportInput: true })
  if (!parsed.success) return { kind: 'bad', problems: documentProblems(parsed.error, what) }
  const hidden = hiddenKeys(document, what)
  if (hidden.length > 0) return { kind: 'bad', problems: hidden }
  const entries = Object.entries(parsed.data).flatMap(([name, given]) =>
    given === undefined ? [] : [[name, given.token] as const],
  )
  return { kind: 'good', keys: new Map(entries), names: entries.map(([name]) => name) }
}
