import { createHash, timingSafeEqual } from 'node:crypto'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Whether `authorization` bears `token`. Digests are compared: equal lengths, and no time that tells of a prefix. */
export const isAuthorized = (authorization: string | undefined, token: string | undefined): boolean => {
  if (token === undefined || authorization === undefined) return false
  const [scheme = '', ...rest] = authorization.split(' ')
  return scheme.toLowerCase() === 'bearer' && timingSafeEqual(digest(rest.join(' ')), digest(token))
}
