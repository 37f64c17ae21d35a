import { hash } from 'node:crypto'
import { soleFieldValue } from '../../headers.ts'

/** Names of machines by the SHA-256 of their tokens, in hexadecimal. A digest tells nothing of its token. */
export type MachineTokens = ReadonlyMap<string, string>

export const NO_MACHINES: MachineTokens = new Map()

/** Which machine a request is of, by its `X-Sidegate-Machine-Token`. To look a digest up tells nothing by the time it takes. */
export const machineOf = (rawHeaders: readonly string[], tokens: MachineTokens): string | undefined => {
  if (tokens.size === 0) return undefined
  const token = soleFieldValue(rawHeaders, 'x-sidegate-machine-token')
  return token === undefined ? undefined : tokens.get(hash('sha256', token, 'hex'))
}
