const IPV4_MAPPED = '::ffff:'

/** The peer's address; an IPv4-mapped IPv6 address is IPv4. `unknown` where it has none, as on a Unix socket. */
export const peerAddress = (remoteAddress: string | undefined): string => {
  if (remoteAddress === undefined || remoteAddress === '') return 'unknown'
  const isMapped = remoteAddress.startsWith(IPV4_MAPPED) && remoteAddress.includes('.')
  return isMapped ? remoteAddress.slice(IPV4_MAPPED.length) : remoteAddress
}
