import type { Keyset } from '#shared/keyring.ts'
import type { Logger } from '#shared/log.ts'
import type { ProxySettings } from '../../settings.ts'
import { type ChallengeKeys, newSecret, readChallengeKeys, soleKey } from './keys.ts'
import { type MachineTokens, NO_MACHINES, readMachineTokens } from './machine-tokens.ts'

/** What challenges are signed with, and who is never asked; both may change at any time. */
export interface ChallengeSecrets {
  readonly keys: { readonly current: ChallengeKeys }
  readonly machines: { readonly current: MachineTokens }
  close(): void
}

/** What a process has that nobody has given a key: good for itself. */
export const ownSecrets = (secret: string = newSecret(), id = 'process'): ChallengeSecrets => ({
  keys: { current: soleKey(id, secret) },
  machines: { current: NO_MACHINES },
  close: () => undefined,
})

/**
 * Keys of the keyring; where it has none, that of the environment; else one of this process alone, which the log says.
 *
 * @throws ConfigurationError where the keyring cannot be read
 */
export const openChallengeSecrets = async (
  { KEYRING_DIR, CHALLENGE_KEY }: Pick<ProxySettings, 'KEYRING_DIR' | 'CHALLENGE_KEY'>,
  log: Logger,
): Promise<ChallengeSecrets> => {
  const fallback = CHALLENGE_KEY === undefined ? undefined : ownSecrets(CHALLENGE_KEY, 'environment')
  if (KEYRING_DIR === undefined) return fallback ?? withWarning(log)

  const { Keyset } = await import('#shared/keyring.ts')
  const keyset: Keyset<ChallengeKeys | undefined> = await Keyset.open(
    { folder: KEYRING_DIR, file: 'challenge-keys.yaml', none: undefined, read: readChallengeKeys },
    log,
  )
  const machines = await Keyset.open(
    { folder: KEYRING_DIR, file: 'machine-tokens.yaml', none: NO_MACHINES, read: readMachineTokens },
    log,
  )
  const { keys: without } = fallback ?? (keyset.current === undefined ? withWarning(log) : ownSecrets())
  return {
    keys: {
      get current() {
        return keyset.current ?? without.current
      },
    },
    machines,
    close() {
      keyset.close()
      machines.close()
    },
  }
}

const withWarning = (log: Logger): ChallengeSecrets => {
  log.warn(
    'no key for challenges is configured: clearances and puzzles hold at this instance alone, and until it ends (put challenge-keys.yaml into KEYRING_DIR, or set CHALLENGE_KEY)',
  )
  return ownSecrets()
}
