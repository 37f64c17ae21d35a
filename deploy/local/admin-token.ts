import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The developer's way in at the admin port. */
export interface AdminToken {
  /** Holds the token, for the commands of operators. */
  readonly tokenFile: string
  /** Holds its digest, for the proxy: a keyring as it is mounted in a cluster. */
  readonly keyringDir: string
}

/** Makes a token that may operate; between runs it stays the same. */
export const provideAdminToken = async (dataDir: string): Promise<AdminToken> => {
  const tokenFile = join(dataDir, 'admin-token')
  const keyringDir = join(dataDir, 'keyring')
  await mkdir(keyringDir, { recursive: true })
  const token = (await tokenIn(tokenFile)) ?? `sgt_${randomBytes(32).toString('base64url')}`
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 })
  const sha256 = createHash('sha256').update(token).digest('hex')
  await writeFile(join(keyringDir, 'admin-tokens.yaml'), `developer: {role: operate, sha256: ${sha256}}\n`)
  return { tokenFile, keyringDir }
}

const tokenIn = async (file: string): Promise<string | undefined> => {
  try {
    return (await readFile(file, 'utf8')).trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
