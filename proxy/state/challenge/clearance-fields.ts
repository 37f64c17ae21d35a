/** How a clearance travels: as a cookie of browsers, or as a header of API clients. The app gets to see neither. */

const CLEARANCE_COOKIE = 'sidegate-clearance'
export const CLEARANCE_HEADER = 'X-Sidegate-Clearance'

/** Tokens looked at in one request. A sibling domain can add cookies of this name, but not take the true one away. */
const TOKENS_LIMIT = 4

/** Whether any clearance that a request bears `fits`. */
export const someClearance = (rawHeaders: readonly string[], fits: (token: string) => boolean): boolean => {
  let seen = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    const value = rawHeaders[index + 1] as string
    if (name.length === CLEARANCE_HEADER.length && name.toLowerCase() === 'x-sidegate-clearance') {
      if (++seen > TOKENS_LIMIT) return false
      if (fits(value)) return true
    } else if (name.length === 6 && name.toLowerCase() === 'cookie' && value.includes(CLEARANCE_COOKIE)) {
      for (const pair of value.split(';')) {
        if (!isOwn(pair)) continue
        if (++seen > TOKENS_LIMIT) return false
        if (fits(pair.slice(pair.indexOf('=') + 1).trim())) return true
      }
    }
  }
  return false
}

/** A `Cookie` field without what is ours; empty where nothing else was in it. */
export const withoutOwnCookie = (value: string): string =>
  value.includes(CLEARANCE_COOKIE)
    ? value
        .split(';')
        .filter((pair) => !isOwn(pair))
        .join(';')
        .trim()
    : value

const isOwn = (pair: string): boolean => {
  const equals = pair.indexOf('=')
  return equals !== -1 && pair.slice(0, equals).trim() === CLEARANCE_COOKIE
}

/** @param isSecure whether the client speaks https, as far as anybody knows */
export const clearanceCookie = (token: string, lifeSeconds: number, isSecure: boolean): string =>
  `${CLEARANCE_COOKIE}=${token}; Path=/; Max-Age=${lifeSeconds}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
