import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes a key for challenges in the keyring; between runs it stays the same, and with it the clearances of a browser. */
export const provideChallengeKey = async (keyringDir: string): Promise<void> => {
  const secret = randomBytes(32).toString('base64url')
  try {
    const file = join(keyringDir, 'challenge-keys.yaml')
    await writeFile(file, `local: {secret: ${secret}, status: primary}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
