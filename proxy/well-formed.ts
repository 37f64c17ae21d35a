import { hasToken, someField } from './headers.ts'
import { MalformedMessage } from './http1/malformed.ts'
import type { RequestStart } from './http1/request-reader.ts'

/**
 * Shapes that HTTP's grammar lets through and that a parser behind us might read in another way. What two parsers can
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
export const malformation = ({ rawHeaders, httpVersionMinor, framing }: RequestStart): string | undefined => {
  if (framing instanceof MalformedMessage) return framing.message
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    // Servers that turn names into CGI variables cannot tell `X_Y` from `X-Y`.
    if (name.includes('_')) return 'a field name with an underscore'
    if (name.length === 4 && name.toLowerCase() === 'host') {
      hosts++
      if (!isHost(rawHeaders[index + 1] as string)) return 'a Host that is no host'
    }
  }
  if (hosts > 1) return 'more than one Host'
  if (hosts === 0 && httpVersionMinor === 1) return 'no Host'
  return undefined
}

/** Whether the client expects something other than `100-continue`. HTTP/1.0 knows no expectations (RFC 9110 §10.1.1). */
export const expectsTheUnknown = ({ rawHeaders, httpVersionMinor }: RequestStart): boolean =>
  httpVersionMinor === 1 &&
  someField(rawHeaders, 'expect', (value) =>
    value.split(',').some((member) => !/^[ \t]*(?:100-continue[ \t]*)?$/i.test(member)),
  )

/** Any other `Upgrade` is an offer that a server may pass over (RFC 9110 §7.8): the request is answered as it is. */
export const isWebSocketHandshake = ({ method, httpVersionMinor, rawHeaders }: RequestStart): boolean =>
  method === 'GET' &&
  httpVersionMinor === 1 && // HTTP/1.0 knows no upgrade
  someField(rawHeaders, 'upgrade', (value) => value.toLowerCase() === 'websocket') &&
  someField(rawHeaders, 'connection', (value) => hasToken(value, 'upgrade'))

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
