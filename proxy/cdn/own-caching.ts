import { type Directives, NOTHING, parseDirectives, saysSomething, strictest } from './cache-directives.ts'
import { tagsOfCacheTag, tagsOfSurrogateKey } from './tags.ts'

/** What the fields of a reply say about caching it, whoever wrote them. */
export interface OwnCaching {
  /** To every cache (`Cache-Control`, or else `Expires` and `Pragma`). */
  readonly toAll: Directives
  /** To CDNs, which then do not go by what is said to all (RFC 9213 §2.1). Undefined where nothing is said to them apart. */
  readonly toCdn: Directives | undefined
  readonly says: boolean
  /** Whether `Cache-Control` is none, and must not go out as it is. */
  readonly isMalformed: boolean
  readonly tags: readonly string[]
  readonly vary: string
  readonly setsCookie: boolean
  readonly contentType: string | undefined
}

const NO_TAGS: readonly string[] = []
const UNREADABLE: Directives = { ...NOTHING, noStore: true }

/** The names of fields that say something to CDNs alone have nothing in common but that no other field ends so. */
const TARGETED = /^(?:[a-z0-9-]+-)?cdn-cache-control$|^surrogate-control$/

/** Whether a field is one that says how a reply may be cached, or with which tags. `Vary` is not: it is true of any reply. */
export const isCachingField = (name: string): boolean => {
  switch (name.length) {
    case 6:
    case 7:
    case 9:
    case 13:
    case 17: // surrogate-control, cdn-cache-control
      break
    default:
      if (name.length < 18) return false
  }
  const lowerName = name.toLowerCase()
  switch (lowerName) {
    case 'cache-control':
    case 'expires':
    case 'pragma':
    case 'surrogate-key':
    case 'cache-tag':
      return true
    default:
      return TARGETED.test(lowerName)
  }
}

/**
 * Reads a reply's fields. What is malformed counts as the strictest that it could be: who wrote it wanted something.
 *
 * @param headers names and values in turn
 */
export const ownCaching = (headers: readonly string[]): OwnCaching => {
  let cacheControl: string | undefined
  let toCdn: Directives | undefined
  let expires: string | undefined
  let date: string | undefined
  let pragma = ''
  let tags: string[] | undefined
  let vary = ''
  let setsCookie = false
  let contentType: string | undefined
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    // By length first: few of a reply's names are looked at any further.
    switch (name.length) {
      case 4: {
        const lowerName = name.toLowerCase()
        if (lowerName === 'vary') vary = joined(vary, headers[index + 1] as string)
        else if (lowerName === 'date') date = headers[index + 1]
        break
      }
      case 10:
        if (name.toLowerCase() === 'set-cookie') setsCookie = true
        break
      case 12:
        if (name.toLowerCase() === 'content-type') contentType ??= headers[index + 1]
        break
      default: {
        if (!isCachingField(name)) break
        const value = headers[index + 1] as string
        switch (name.toLowerCase()) {
          case 'cache-control':
            cacheControl = cacheControl === undefined ? value : joined(cacheControl, value)
            break
          case 'expires':
            expires ??= value
            break
          case 'pragma':
            pragma = joined(pragma, value)
            break
          case 'surrogate-key':
            tags = [...(tags ?? NO_TAGS), ...tagsOfSurrogateKey(value)]
            break
          case 'cache-tag':
            tags = [...(tags ?? NO_TAGS), ...tagsOfCacheTag(value)]
            break
          default: {
            const said = parseDirectives(value) ?? UNREADABLE
            toCdn = toCdn === undefined ? said : strictest(toCdn, said)
          }
        }
      }
    }
  }
  const toAll =
    cacheControl === undefined ? before11(expires, date, pragma) : (parseDirectives(cacheControl) ?? UNREADABLE)
  return {
    toAll,
    toCdn,
    says: toCdn !== undefined || (toAll !== NOTHING && saysSomething(toAll)),
    isMalformed: toAll === UNREADABLE,
    tags: tags ?? NO_TAGS,
    vary,
    setsCookie,
    contentType,
  }
}

const joined = (one: string, other: string): string => (one === '' ? other : `${one}, ${other}`)

/** What HTTP/1.0 had in the place of `Cache-Control` (RFC 9111 §5.3, §5.4). */
const before11 = (expires: string | undefined, date: string | undefined, pragma: string): Directives => {
  if (expires === undefined && pragma === '') return NOTHING
  const noCache = /(?:^|,)[ \t]*no-cache[ \t]*(?:,|$)/i.test(pragma)
  return { ...NOTHING, noCache, maxAge: expires === undefined ? undefined : lifetimeSeconds(expires, date) }
}

const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3]\d [A-Z][a-z]{2} \d{4} [0-2]\d:[0-5]\d:[0-6]\d GMT$/

/** By the reply's own date, so that every instance says the same; 0 where one of the two is none. */
const lifetimeSeconds = (expires: string, date: string | undefined): number => {
  if (date === undefined || !HTTP_DATE.test(expires) || !HTTP_DATE.test(date)) return 0
  const seconds = Math.floor((Date.parse(expires) - Date.parse(date)) / 1_000)
  return seconds > 0 ? seconds : 0
}
