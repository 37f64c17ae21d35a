import { createServer } from 'node:net'

/** Below the range out of which systems take the local ports of outgoing connections, so that none takes it meanwhile. */
const FREE_PORT_MIN = 20_000
const FREE_PORT_MAX = 32_000
const FREE_PORT_ATTEMPTS = 200

/** Why a port cannot be listened on, by the system's error code; undefined where it can. */
const listenProblem = (port: number, host: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)))
  })

/** A port that nothing listens on. Unlike port 0 it stays free for long enough to be handed to another process. */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  for (let attempt = 0; attempt < FREE_PORT_ATTEMPTS; attempt++) {
    const port = FREE_PORT_MIN + Math.floor(Math.random() * (FREE_PORT_MAX - FREE_PORT_MIN))
    if ((await listenProblem(port, host)) === undefined) return port
  }
  throw new Error(`no free port was found between ${FREE_PORT_MIN} and ${FREE_PORT_MAX} on ${host}`)
}

/** A port that something is to listen on, and the variable by which it is chosen. */
export interface PortClaim {
  readonly variable: string
  readonly port: number
  readonly host: string
}

/** What stands in the way of the claims, each problem by the name of its variable; empty where nothing does. */
export const portProblems = async (claims: readonly PortClaim[]): Promise<string[]> => {
  const problems: string[] = []
  const claimedBy = new Map<number, string>()
  for (const { variable, port, host } of claims) {
    const other = claimedBy.get(port)
    if (other !== undefined) {
      problems.push(`${variable}: port ${port} is already that of ${other}; give each its own`)
      continue
    }
    claimedBy.set(port, variable)
    const problem = await listenProblem(port, host)
    if (problem !== undefined) problems.push(`${variable}: ${describe(problem, port)}`)
  }
  return problems
}

const describe = (code: string, port: number): string => {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is in use; end what listens on it, or choose another port`
    case 'EACCES':
      return `port ${port} may not be listened on by this user; choose one above 1023`
    default:
      return `port ${port} cannot be listened on (${code}); choose another port`
  }
}
