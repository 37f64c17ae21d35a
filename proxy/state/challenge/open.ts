import type { Logger } from '#shared/log.ts'
import type { ProxySettings } from '../../settings.ts'
import { type ChallengeKeys, newSecret, soleKey } from './keys.ts'
import { type MachineTokens, NO_MACHINES } from './machine-tokens.ts'
import type { ThirdParties } from './providers/providers.ts'

/** What challenges are signed with, who is never asked, and who else can do the asking; keys and tokens may change at any time. */
export interface ChallengeSecrets {
  readonly keys: { readonly current: ChallengeKeys }
  readonly machines: { readonly current: MachineTokens }
  readonly thirdParties: ThirdParties
  close(): void
}

const NO_THIRD_PARTIES: ThirdParties = { turnstile: undefined, hcaptcha: undefined }

/** What a process has that nobody has given a key: good for itself. */
export const ownSecrets = (secret: string = newSecret(), id = 'process'): ChallengeSecrets => ({
  keys: { current: soleKey(id, secret) },
  machines: { current: NO_MACHINES },
  thirdParties: NO_THIRD_PARTIES,
  close: () => undefined,
})

type Settings = Pick<
  ProxySettings,
  'KEYRING_DIR' | 'CHALLENGE_KEY' | 'TURNSTILE_SECRET' | 'HCAPTCHA_SECRET' | 'SIDEGATE_SERVICE'
>

/**
 * Keys of the keyring; where it has none, that of the environment; else one of this process alone, which the log says. What
 * is not configured is not loaded, either: it would be memory that nobody uses.
 *
 * @throws ConfigurationError where the keyring cannot be read
 */
export const openChallengeSecrets = async (settings: Settings, log: Logger): Promise<ChallengeSecrets> => {
  const { KEYRING_DIR, CHALLENGE_KEY, TURNSTILE_SECRET, HCAPTCHA_SECRET, SIDEGATE_SERVICE } = settings
  const given = CHALLENGE_KEY === undefined ? undefined : ownSecrets(CHALLENGE_KEY, 'environment')
  const secrets = KEYRING_DIR === undefined ? (given ?? withWarning(log)) : await ofKeyring(KEYRING_DIR, given, log)
  if (TURNSTILE_SECRET === undefined && HCAPTCHA_SECRET === undefined) return secrets
  const { thirdParties } = await import('./providers/third-parties.ts')
  const theirs = { turnstile: TURNSTILE_SECRET, hcaptcha: HCAPTCHA_SECRET }
  return { ...secrets, thirdParties: thirdParties(theirs, secrets.keys, SIDEGATE_SERVICE) }
}

/** @param without what counts where there are no keys in it */
const ofKeyring = async (
  folder: string,
  without: ChallengeSecrets | undefined,
  log: Logger,
): Promise<ChallengeSecrets> => {
  const { Keyset } = await import('#shared/keyring.ts')
  const { readChallengeKeys } = await import('./challenge-keyset.ts')
  const { readMachineTokens } = await import('./machine-keyset.ts')
  const keys = { folder, file: 'challenge-keys.yaml', none: undefined, read: readChallengeKeys }
  const keyset = await Keyset.open<ChallengeKeys | undefined>(keys, log)
  const tokens = { folder, file: 'machine-tokens.yaml', none: NO_MACHINES, read: readMachineTokens }
  const machines = await Keyset.open<MachineTokens>(tokens, log)
  const { keys: fallback } = without ?? (keyset.current === undefined ? withWarning(log) : ownSecrets())
  return {
    keys: {
      get current() {
        return keyset.current ?? fallback.current
      },
    },
    machines,
    thirdParties: NO_THIRD_PARTIES,
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
