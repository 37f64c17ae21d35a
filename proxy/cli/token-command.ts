import { createHash, randomBytes } from 'node:crypto'
import { stringify } from 'yaml'
import { readAdminTokens } from '../admin/tokens.ts'
import type { Invocation } from './arguments.ts'
import type { Outcome } from './command.ts'
import { EXIT, usageError } from './exit-status.ts'

/** Tells scanners of leaked secrets, and people, what it is. */
const PREFIX = 'sgt_'
const TOKEN_BYTES = 32

/**
 * A new token, and the entry by which a keyring knows it, which has its digest alone.
 *
 * @throws CliError where the keyring would not take it
 */
export const mintToken = ({ operand: name = '', role }: Pick<Invocation, 'operand' | 'role'>): Outcome => {
  const token = `${PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`
  const sha256 = createHash('sha256').update(token).digest('hex')
  const reading = readAdminTokens(Object.fromEntries([[name, { role, sha256 }]]))
  if (reading.kind === 'bad') {
    throw usageError(
      reading.problems.map(({ message }) => `"${name}" cannot be the name of a token: ${message}`).join('\n'),
    )
  }
  return {
    status: EXIT.done,
    text: `${token}\n${inYaml(name)}: {role: ${role}, sha256: ${inYaml(sha256)}}`,
    json: JSON.stringify({ name, role, token, sha256 }),
  }
}

/** In quotes where it would be read as anything but a text. */
const inYaml = (text: string): string => stringify(text).trim()
