import type { IncomingMessage } from 'node:http'

/**
 * Shapes that Node's parser lets through and that a parser behind us might read in another way. What two parsers can
 * disagree about can smuggle a request past the one or the other, so each of them ends in 400 and a closed connection.
 */

/** `host[:port]` with a name, an IPv4 address or a bracketed IPv6 address (RFC 9110 §7.2, RFC 3986 §3.2.2). */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::(\d{0,5}))?$/

/** An empty one is said of a target that has no host (RFC 9112 §3.2); a port alone is nobody's. */
const isHost = (text: string): boolean => {
  if (text === '') return true
  const match = HOST.exec(text)
  return match !== null && Number(match[1] ?? 0) <= 65_535
}

/** What is wrong with the request head, in words for the log, or undefined. */
export const malformation = (request: IncomingMessage): string | undefined => {
  const { rawHeaders } = request
  if (request.httpVersionMajor !== 1) return `HTTP version ${request.httpVersion}`

  let hosts = 0
  let codings = 0
  let lengths = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    // Servers that turn names into CGI variables cannot tell `X_Y` from `X-Y`.
    if (name.includes('_')) return 'a field name with an underscore'
    if (name.length === 4 && name.toLowerCase() === 'host') {
      hosts++
      if (!isHost(rawHeaders[index + 1] as string)) return 'a Host that is no host'
    } else if (name.length === 14 && name.toLowerCase() === 'content-length') {
      lengths++
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      codings++
      if ((rawHeaders[index + 1] as string).toLowerCase() !== 'chunked') return 'a transfer coding other than chunked'
    }
  }
  if (hosts > 1) return 'more than one Host'
  if (hosts === 0 && request.httpVersionMinor >= 1) return 'no Host'
  if (lengths + codings > 1) return 'a body framed more than once'
  if (codings === 1 && request.httpVersionMinor === 0) return 'Transfer-Encoding in HTTP/1.0'
  return undefined
}

/** Whether the client expects something other than `100-continue`. HTTP/1.0 knows no expectations (RFC 9110 §10.1.1). */
export const expectsTheUnknown = ({ headers, httpVersionMinor }: IncomingMessage): boolean =>
  headers.expect !== undefined &&
  httpVersionMinor >= 1 &&
  headers.expect.split(',').some((member) => !/^[ \t]*(?:100-continue[ \t]*)?$/i.test(member))

/** Where a request is aimed: what goes into the request line towards the app, and the host it is for. */
export interface Target {
  readonly pathAndQuery: string
  readonly host: string
}

/**
 * The target in origin form, or `*`. An absolute form's authority replaces the Host (RFC 9112 §3.2.2). Undefined for
 * what is no target of an origin server, as that of CONNECT.
 */
export const requestTarget = (method: string, target: string, host: string): Target | undefined => {
  if (method === 'CONNECT' || target.includes('#')) return undefined
  if (target.charCodeAt(0) === 47) return { pathAndQuery: target, host }
  if (target === '*') return method === 'OPTIONS' ? { pathAndQuery: '*', host } : undefined
  const scheme = target.slice(0, 8).toLowerCase()
  const authorityStart = scheme.startsWith('http://') ? 7 : scheme === 'https://' ? 8 : undefined
  if (authorityStart === undefined) return undefined
  const rest = target.slice(authorityStart)
  const authorityEnd = rest.search(/[/?]/)
  const authority = authorityEnd === -1 ? rest : rest.slice(0, authorityEnd)
  if (authority === '' || !isHost(authority)) return undefined
  if (authorityEnd === -1 && method === 'OPTIONS') return { pathAndQuery: '*', host: authority } // §3.2.4
  const tail = authorityEnd === -1 ? '/' : rest.slice(authorityEnd)
  return { pathAndQuery: tail.startsWith('/') ? tail : `/${tail}`, host: authority }
}
