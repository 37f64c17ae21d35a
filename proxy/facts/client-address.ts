import { joinedFieldValue, soleFieldValue } from '../headers.ts'
import type { AddressRanges } from '../state/addresses/address-ranges.ts'
import { forwardedForHops, forwardedHops, forwardedProto, type Hop, viewerAddress } from './forwarded-chain.ts'
import { addressText, type IpAddress, parseAddress } from './ip-address.ts'

/** Whose forwarding fields are believed, and which field says who the client is. */
export interface Trust {
  readonly ranges: AddressRanges
  readonly field:
    | 'x-forwarded-for'
    | 'forwarded'
    | 'cf-connecting-ip'
    | 'fastly-client-ip'
    | 'cloudfront-viewer-address'
}

/** Who a request is from, and what the app is told of it. */
export interface ClientFacts {
  /** `unknown` for a Unix socket. */
  readonly address: string
  /** The same as a number; undefined for a Unix socket. */
  readonly ip: IpAddress | undefined
  /** For `X-Forwarded-For`: the client, and those that it came by, the nearest last. What nobody vouches for is left out. */
  readonly forwardedFor: string
  readonly scheme: 'http' | 'https'
}

const UNKNOWN = 'unknown'

/** The peer of a connection; an IPv4-mapped IPv6 address is IPv4. `unknown` where it has no address, as on a Unix socket. */
export const peerAddress = (remoteAddress: string | undefined): string => {
  const address = parseAddress(remoteAddress ?? '')
  return address === undefined ? UNKNOWN : addressText(address)
}

/** Of a connection whose peer is the client itself. */
export const directClient = (remoteAddress: string | undefined): ClientFacts => {
  const ip = parseAddress(remoteAddress ?? '')
  const address = ip === undefined ? UNKNOWN : addressText(ip)
  return { address, ip, forwardedFor: address, scheme: 'http' }
}

/**
 * The client of a request: its peer, or, where the peer is trusted, whom it says. A chain of proxies is followed from the nearest
 * on, as long as each hop is trusted: the first that is not is the client. What cannot be read ends the chain, since nobody vouches
 * for what is beyond it.
 *
 * @param peer as {@link directClient} has it
 */
export const clientOf = (peer: ClientFacts, rawHeaders: readonly string[], { ranges, field }: Trust): ClientFacts => {
  const peerIp = peer.ip
  if (peerIp === undefined || !ranges.has(peerIp)) return peer
  const scheme = schemeOf(rawHeaders, field)
  if (field === 'forwarded') return along(peerIp, forwardedHops(joinedFieldValue(rawHeaders, field)), ranges, scheme)

  const hops = forwardedForHops(joinedFieldValue(rawHeaders, 'x-forwarded-for'))
  const told = field === 'x-forwarded-for' ? undefined : cdnClient(rawHeaders, field)
  if (told === undefined || isGoneRound(hops[0], told, ranges)) return along(peerIp, hops, ranges, scheme)
  const address = addressText(told)
  return { address, ip: told, forwardedFor: `${address}, ${peer.address}`, scheme }
}

const along = (
  peer: IpAddress,
  hops: readonly Hop[],
  ranges: AddressRanges,
  scheme: ClientFacts['scheme'],
): ClientFacts => {
  let ip = peer
  let address = addressText(peer)
  let forwardedFor = address
  for (const hop of hops) {
    if (hop === undefined) break
    ip = hop
    address = addressText(hop)
    forwardedFor = `${address}, ${forwardedFor}`
    if (!ranges.has(hop)) break
  }
  return { address, ip, forwardedFor, scheme }
}

const cdnClient = (
  rawHeaders: readonly string[],
  field: Exclude<Trust['field'], 'forwarded' | 'x-forwarded-for'>,
): Hop => {
  const value = soleFieldValue(rawHeaders, field)
  if (value === undefined) return undefined
  return field === 'cloudfront-viewer-address' ? viewerAddress(value.trim()) : parseAddress(value.trim())
}

/**
 * Whether a request has come round the CDN to a load balancer that is trusted, too: then its nearest hop is neither the CDN nor the
 * client that the CDN's own field names, and that field is the client's invention.
 */
const isGoneRound = (nearest: Hop, told: IpAddress, ranges: AddressRanges): boolean =>
  nearest !== undefined && !ranges.has(nearest) && addressText(nearest) !== addressText(told)

const schemeOf = (rawHeaders: readonly string[], field: Trust['field']): ClientFacts['scheme'] => {
  const said =
    field === 'forwarded'
      ? forwardedProto(joinedFieldValue(rawHeaders, 'forwarded'))
      : field === 'cloudfront-viewer-address'
        ? soleFieldValue(rawHeaders, 'cloudfront-forwarded-proto')
        : undefined
  const nearest = joinedFieldValue(rawHeaders, 'x-forwarded-proto').split(',').at(-1)
  return (said ?? nearest)?.trim().toLowerCase() === 'https' ? 'https' : 'http'
}
