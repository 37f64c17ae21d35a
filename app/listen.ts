import { lstat, unlink } from 'node:fs/promises'
import { type AddressInfo, connect, type Server } from 'node:net'
import { ConfigurationError } from '#shared/environment.ts'
import { listen } from '#shared/listen.ts'

/** Where to listen. Port 0 lets the system choose. */
export type ListenTarget = { readonly socketPath: string } | { readonly host: string; readonly port: number }

/**
 * Listens, and gives the address in the form of the proxy's `UPSTREAM_URL`.
 *
 * @throws ConfigurationError naming the variable to change
 */
export const listenOn = async (server: Server, target: ListenTarget): Promise<string> => {
  if ('socketPath' in target) {
    await removeStaleSocket(target.socketPath)
    await listen(server, { path: target.socketPath }, { path: 'APP_SOCKET' })
    return `unix:${target.socketPath}`
  }
  await listen(server, target, { host: 'APP_HOST', port: 'APP_PORT' })
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/**
 * A process that was killed leaves its socket's file behind, which stops the next one from listening. One that still
 * answers, and a file that is no socket, are left alone.
 */
const removeStaleSocket = async (path: string): Promise<void> => {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return
  if (!found.isSocket()) throw new ConfigurationError([`APP_SOCKET: ${path} is there already, and is no socket`])
  if (!(await isAnswered(path))) await unlink(path)
}

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // Only a refusal proves that nobody listens; when in doubt, listening itself will tell.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
