import type { ListenOptions, Server } from 'node:net'
import { ConfigurationError } from './environment.ts'

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is already in use: stop what listens there, or choose another',
  EACCES: 'may not be bound by this user: choose another (ports below 1024 need a privilege)',
  EADDRNOTAVAIL: 'is not an address of this machine',
}

/**
 * Binds a listener.
 *
 * @param variable the environment variable that the operator would change
 * @throws ConfigurationError naming `variable` where the address cannot be had
 */
export const listen = (server: Server, options: ListenOptions, variable: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const advice = ADVICE[error.code ?? '']
      const where = options.path ?? String(options.port)
      reject(advice === undefined ? error : new ConfigurationError([`${variable}: ${where} ${advice}`]))
    }
    server.once('error', onError)
    server.listen(options, () => {
      server.off('error', onError)
      resolve()
    })
  })
