import { type IpAddress, parseAddress } from './ip-address.ts'

/** One hop that a forwarding field tells of; undefined where it tells nothing that can be used. */
export type Hop = IpAddress | undefined

/** More than any chain has: the rest of a long field is an attack. */
const HOPS_LIMIT = 50

/** An address, with or without a port; IPv6 with a port in brackets. */
const hopOf = (text: string): Hop => {
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)
  if (bracketed !== null) return ipv6Of(bracketed[1] as string)
  const ported = /^([\d.]+):\d{1,5}$/.exec(text)
  return parseAddress(ported === null ? text : (ported[1] as string))
}

const ipv6Of = (text: string): Hop => (text.includes(':') ? parseAddress(text) : undefined)

/** `X-Forwarded-For`, the nearest hop first. */
export const forwardedForHops = (field: string): Hop[] =>
  field
    .split(',')
    .reverse()
    .slice(0, HOPS_LIMIT)
    .map((hop) => hopOf(hop.trim()))

/** `Forwarded` (RFC 7239), the nearest hop first. */
export const forwardedHops = (field: string): Hop[] =>
  split(field, ',')
    .reverse()
    .slice(0, HOPS_LIMIT)
    .map((element) => {
      const [given, ...more] = parameters(element, 'for')
      return given === undefined || more.length > 0 ? undefined : hopOf(given)
    })

/** The scheme that the nearest hop was reached by; undefined where it does not say. */
export const forwardedProto = (field: string): string | undefined => {
  const [nearest = ''] = split(field, ',').reverse()
  return parameters(nearest, 'proto')[0]?.toLowerCase()
}

/** `CloudFront-Viewer-Address`: an address, a colon, a port; IPv6 without brackets, or with them. */
export const viewerAddress = (field: string): Hop => {
  const colon = field.lastIndexOf(':')
  if (colon === -1 || !/^\d{1,5}$/.test(field.slice(colon + 1))) return undefined
  const host = field.slice(0, colon)
  return host.startsWith('[') && host.endsWith(']') ? ipv6Of(host.slice(1, -1)) : parseAddress(host)
}

/** The values of a parameter of one element. */
const parameters = (element: string, name: string): string[] =>
  split(element, ';').flatMap((pair) => {
    const equals = pair.indexOf('=')
    return pair.slice(0, equals).trim().toLowerCase() === name ? [unquoted(pair.slice(equals + 1).trim())] : []
  })

const unquoted = (text: string): string =>
  text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text

/** At each `separator` outside of a quoted string. */
const split = (text: string, separator: string): string[] => {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isQuoted && character === '\\') at++
    else if (character === '"') isQuoted = !isQuoted
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}
