import { SOCKET_PATH_LIMIT } from '#shared/listen.ts'

/** Where the app listens. */
export interface UpstreamAddress {
  /** `http://host:port`, as clients want it; a Unix socket has a host of its own in here. */
  readonly origin: string
  readonly socketPath: string | undefined
}

/**
 * Reads `http://host:port`, `https://host:port` or `unix:/path.sock`.
 *
 * @throws Error in words for an operator
 */
export const upstreamAddress = (text: string): UpstreamAddress => {
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    if (!socketPath.startsWith('/')) throw new Error('expected an absolute path after unix:, as in unix:/run/app.sock')
    const pathBytes = Buffer.byteLength(socketPath)
    if (pathBytes > SOCKET_PATH_LIMIT) {
      throw new Error(
        `expected a path of at most ${SOCKET_PATH_LIMIT} bytes after unix:, which is what the system takes (it has ${pathBytes})`,
      )
    }
    return { origin: 'http://localhost', socketPath }
  }
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Error('expected http://host:port, https://host:port or unix:/path.sock')
  }
  if (url.username !== '' || url.password !== '') throw new Error('must not hold a user name or password')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new Error(
      `must end after the port: requests keep their own path (remove "${url.pathname}${url.search}${url.hash}")`,
    )
  }
  if (url.port === '0') throw new Error('must name the port that the app listens on: nothing can be reached on port 0')
  return { origin: url.origin, socketPath: undefined }
}
