import type { ListenOptions, Server } from 'node:net'
import { ConfigurationError } from './environment.ts'

/**
 * Connections that may wait to be accepted, as many as Linux lets by default (net.core.somaxconn). Where there is room
 * for Node's own 511, a thousand clients that come at once find it full, and try again after one second and three.
 */
const BACKLOG = 4_096

/** Of a Unix socket: `sun_path` in sockaddr_un holds 108 bytes on Linux, 104 on macOS, with a NUL at the end. */
export const SOCKET_PATH_LIMIT = 103

/** The environment variables that the operator would change. */
export type ListenVariables = { readonly host: string; readonly port: string } | { readonly path: string }

const UNRESOLVED = 'cannot be resolved to an address: set an address of this machine, or 0.0.0.0 or :: for all of them'

const HOST_ADVICE: Readonly<Record<string, string>> = {
  ENOTFOUND: UNRESOLVED,
  EADDRNOTAVAIL: 'is not an address of this machine: set one that is, or 0.0.0.0 or :: for all of them',
  EAFNOSUPPORT: 'is of an address family that this machine does not support: set an address of the other',
  EINVAL: 'cannot be listened on: set an address of this machine, or 0.0.0.0 or :: for all of them',
}

const PORT_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is already in use: stop what listens there, or choose another',
  EACCES: 'may not be bound by this user: choose another (ports below 1024 need a privilege)',
}

const PATH_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is already in use: stop what listens there, or choose another',
  // Node's name for a folder that is missing, too.
  EACCES: 'cannot be made by this user: choose a folder that is there, and that it may write to',
}

/**
 * Binds a listener.
 *
 * @throws ConfigurationError naming the variable to change where the address cannot be had
 */
export const listen = (server: Server, options: ListenOptions, variables: ListenVariables): Promise<void> =>
  new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const problem = problemOf(error.code ?? '', options, variables)
      reject(problem === undefined ? error : new ConfigurationError([problem]))
    }
    server.once('error', onError)
    try {
      server.listen({ backlog: BACKLOG, ...options }, () => {
        server.off('error', onError)
        resolve()
      })
    } catch (error) {
      server.off('error', onError)
      onError(error as NodeJS.ErrnoException)
    }
  })

const problemOf = (code: string, options: ListenOptions, variables: ListenVariables): string | undefined => {
  if ('path' in variables) {
    return code in PATH_ADVICE ? `${variables.path}: ${options.path} ${PATH_ADVICE[code]}` : undefined
  }
  if (code in PORT_ADVICE) return `${variables.port}: ${options.port} ${PORT_ADVICE[code]}`
  // EAI_: what getaddrinfo(3) has failed at.
  const advice = HOST_ADVICE[code] ?? (code.startsWith('EAI_') ? UNRESOLVED : undefined)
  return advice === undefined ? undefined : `${variables.host}: ${options.host} ${advice}`
}
