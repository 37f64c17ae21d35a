import type { IncomingMessage } from 'node:http'

/**
 * Shapes that Node's parser lets through and that a parser behind us might read in another way. What two parsers can
 * disagree about can smuggle a request past the one or the other, so each of them ends in 400 and a closed connection.
 */

/** `host[:port]` with a name, an IPv4 address or a bracketed IPv6 address (RFC 9110 §7.2, RFC 3986 §3.2.2). */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?$/

/** What is wrong with the request head, in words for the log, or undefined. */
export const malformation = (request: IncomingMessage): string | undefined => {
  const { rawHeaders } = request
  if (request.httpVersionMajor !== 1) return `HTTP version ${request.httpVersion}`

  let hosts = 0
  let codings: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    // Servers that turn names into CGI variables cannot tell `X_Y` from `X-Y`.
    if (name.includes('_')) return 'a field name with an underscore'
    if (name.length === 4 && name.toLowerCase() === 'host') {
      hosts++
      if (!HOST.test(rawHeaders[index + 1] as string)) return 'a Host that is no host'
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      codings = rawHeaders[index + 1] as string
    }
  }
  if (hosts > 1) return 'more than one Host'
  if (hosts === 0 && request.httpVersionMinor >= 1) return 'no Host'
  if (codings !== undefined) {
    if (request.httpVersionMinor === 0) return 'Transfer-Encoding in HTTP/1.0'
    if (codings.toLowerCase() !== 'chunked') return 'a transfer coding other than chunked'
  }
  return undefined
}

/** Where a request is aimed: what goes into the request line towards the app, and the host it is for. */
export interface Target {
  readonly pathAndQuery: string
  readonly host: string
}

/**
 * The target in origin form. An absolute form's authority replaces the Host (RFC 9112 §3.2.2). Undefined for what is
 * no target of an origin server.
 */
export const requestTarget = (method: string, target: string, host: string): Target | undefined => {
  if (target.includes('#')) return undefined
  if (target.charCodeAt(0) === 47) return { pathAndQuery: target, host }
  if (target === '*') return method === 'OPTIONS' ? { pathAndQuery: '*', host } : undefined
  const scheme = target.slice(0, 8).toLowerCase()
  const authorityStart = scheme.startsWith('http://') ? 7 : scheme === 'https://' ? 8 : undefined
  if (authorityStart === undefined) return undefined
  const rest = target.slice(authorityStart)
  const authorityEnd = rest.search(/[/?]/)
  const authority = authorityEnd === -1 ? rest : rest.slice(0, authorityEnd)
  if (authority === '' || !HOST.test(authority)) return undefined
  const tail = authorityEnd === -1 ? '/' : rest.slice(authorityEnd)
  return { pathAndQuery: tail.startsWith('/') ? tail : `/${tail}`, host: authority }
}
