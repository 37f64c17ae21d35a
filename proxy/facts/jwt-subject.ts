/** Of a whole token: what a longer one says is not looked at, since anybody can send one. */
const TOKEN_CHARACTERS = 8_192
const BEARER = /^Bearer +[\w-]+\.([\w-]+)\.[\w-]*$/i

/**
 * Who a bearer token (RFC 6750) says it is for: the `sub` of a JWT (RFC 7519 §4.1.2) whose signature nobody has looked
 * at. Good for telling requests apart, and for nothing else. Undefined where there is none.
 *
 * @param authorization the value of `Authorization`
 */
export const jwtSubject = (authorization: string): string | undefined => {
  if (authorization.length > TOKEN_CHARACTERS) return undefined
  const payload = BEARER.exec(authorization)?.[1]
  if (payload === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    if (typeof claims !== 'object' || claims === null || !('sub' in claims)) return undefined
    return typeof claims.sub === 'string' ? claims.sub : undefined
  } catch {
    return undefined
  }
}
