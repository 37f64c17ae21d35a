import type { AddressInfo } from 'node:net'
import type { Keyset } from '#shared/keyring.ts'
import { listen } from '#shared/listen.ts'
import type { Logger } from '#shared/log.ts'
import type { ProxySettings } from '../settings.ts'
import { adminTokens } from './guard.ts'
import { type AdminParts, adminServer } from './server.ts'
import { type AdminToken, plainToken, readAdminTokens } from './tokens.ts'

export interface AdminPort {
  readonly address: AddressInfo
  close(): Promise<void>
}

/**
 * The admin port, listening.
 *
 * @throws ConfigurationError where its address cannot be had, or the keyring cannot be read
 */
export const openAdmin = async (settings: ProxySettings, parts: Omit<AdminParts, 'tokens'>): Promise<AdminPort> => {
  const { ADMIN_TOKEN, ADMIN_READ_TOKEN, KEYRING_DIR, ADMIN_HOST, ADMIN_PORT } = settings
  const fixed = [
    ...(ADMIN_TOKEN === undefined ? [] : [plainToken('ADMIN_TOKEN', 'operate', ADMIN_TOKEN)]),
    ...(ADMIN_READ_TOKEN === undefined ? [] : [plainToken('ADMIN_READ_TOKEN', 'read', ADMIN_READ_TOKEN)]),
  ]
  const keyset = KEYRING_DIR === undefined ? undefined : await openKeyset(KEYRING_DIR, parts.log)
  const tokens = adminTokens(fixed, keyset)
  sayWhatIsOff(
    tokens.current.map(({ role }) => role),
    parts.log,
  )

  const admin = adminServer({ ...parts, tokens })
  await admin.ready()
  await listen(admin.server, { host: ADMIN_HOST, port: ADMIN_PORT }, { host: 'ADMIN_HOST', port: 'ADMIN_PORT' })
  return {
    address: admin.server.address() as AddressInfo,
    async close() {
      keyset?.close()
      await admin.close()
    },
  }
}

const openKeyset = async (folder: string, log: Logger): Promise<Keyset<readonly AdminToken[]>> => {
  // Loaded where there is a keyring only: it would be memory that nobody uses.
  const { Keyset } = await import('#shared/keyring.ts')
  return Keyset.open({ folder, file: 'admin-tokens.yaml', none: [], read: readAdminTokens }, log)
}

const sayWhatIsOff = (roles: readonly string[], log: Logger): void => {
  const remedy = 'set ADMIN_TOKEN, or KEYRING_DIR with tokens in it'
  if (roles.length === 0)
    log.warn(`no token is configured: all of the admin port but health and metrics is off (${remedy})`)
  else if (!roles.includes('operate')) log.warn(`no token may operate: the admin port changes nothing (${remedy})`)
}
