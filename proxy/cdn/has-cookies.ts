import { withoutOwnCookie } from '../state/challenge/clearance-fields.ts'

/** Whether there are cookies, besides the clearance, which the app never sees. */
export const hasCookies = (rawHeaders: readonly string[]): boolean => {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length !== 6 || name.toLowerCase() !== 'cookie') continue
    if (withoutOwnCookie(rawHeaders[index + 1] as string) !== '') return true
  }
  return false
}
