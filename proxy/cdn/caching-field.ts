import { sameName } from '../headers.ts'

/** What a field of a reply has to do with caching. All that speak to CDNs alone are one kind: `CDN-Cache-Control` (RFC 9213). */
export type CachingField =
  | 'cache-control'
  | 'cdn-cache-control'
  | 'expires'
  | 'pragma'
  | 'surrogate-key'
  | 'cache-tag'
  | 'vary'
  | 'set-cookie'

const LETTER_L = 0x6c
const LOWER_CASE_BIT = 0x20

/** By length first: few of a reply's names are looked at any further. */
export const cachingField = (name: string): CachingField | undefined => {
  switch (name.length) {
    case 4:
      return sameName(name, 'vary') ? 'vary' : undefined
    case 6:
      return sameName(name, 'pragma') ? 'pragma' : undefined
    case 7:
      return sameName(name, 'expires') ? 'expires' : undefined
    case 9:
      return sameName(name, 'cache-tag') ? 'cache-tag' : undefined
    case 10:
      return sameName(name, 'set-cookie') ? 'set-cookie' : undefined
    case 13:
      if (sameName(name, 'cache-control')) return 'cache-control'
      return sameName(name, 'surrogate-key') ? 'surrogate-key' : undefined
    case 17:
      return sameName(name, 'cdn-cache-control') || sameName(name, 'surrogate-control')
        ? 'cdn-cache-control'
        : undefined
    default:
      return isOfOneCdn(name) ? 'cdn-cache-control' : undefined
  }
}

/** As `Cloudflare-CDN-Cache-Control`: every CDN may have its own (RFC 9213 §3.1). */
const isOfOneCdn = (name: string): boolean =>
  name.length > 18 &&
  (name.charCodeAt(name.length - 1) | LOWER_CASE_BIT) === LETTER_L &&
  name.toLowerCase().endsWith('-cdn-cache-control')

/** Whether a field says how a reply may be cached, or with which tags. `Vary` does not: it is true of any reply. */
export const saysHowToCache = (field: CachingField | undefined): boolean =>
  field !== undefined && field !== 'vary' && field !== 'set-cookie'

/** Bits of what is there among the fields of a reply. */
export const SAYS_HOW_TO_CACHE = 1
export const VARIES = 2
export const SETS_COOKIE = 4

/** Which of these bits are set: most replies say nothing of caching, and are told so without reading them any further. */
export const cachingBits = (headers: readonly string[]): number => {
  let bits = 0
  for (let index = 0; index < headers.length; index += 2) {
    const field = cachingField(headers[index] as string)
    if (field === undefined) continue
    if (field === 'vary') bits |= VARIES
    else if (field === 'set-cookie') bits |= SETS_COOKIE
    else bits |= SAYS_HOW_TO_CACHE
  }
  return bits
}
