import { fieldValue } from '../headers.ts'
import { type Directives, NOTHING, saysSomething, strictest } from './cache-directives.ts'
import { cachingField } from './caching-field.ts'
import { tagsOfCacheTag, tagsOfSurrogateKey } from './tags.ts'

/** What the fields of a reply say about caching it, whoever wrote them. */
export interface OwnCaching {
  /** To every cache (`Cache-Control`, or else `Expires` and `Pragma`). */
  readonly toAll: Directives
  /** To CDNs, which then do not go by what is said to all (RFC 9213 §2.1). Undefined where nothing is said to them apart. */
  readonly toCdn: Directives | undefined
  readonly says: boolean
  /** Whether `Cache-Control` cannot be read or a list of tags is empty, and must not go out as it is. */
  readonly isMalformed: boolean
  readonly tags: readonly string[]
  readonly vary: string
  readonly setsCookie: boolean
}

type ParseDirectives = (text: string) => Directives | undefined

const NO_TAGS: readonly string[] = []
const UNREADABLE: Directives = { ...NOTHING, noStore: true }

/** What an app says that says nothing. */
export const SILENT: OwnCaching = {
  toAll: NOTHING,
  toCdn: undefined,
  says: false,
  isMalformed: false,
  tags: NO_TAGS,
  vary: '',
  setsCookie: false,
}

/**
 * Reads a reply's fields. What is malformed counts as the strictest that it could be: who wrote it wanted something.
 *
 * @param headers names and values in turn
 */
export const ownCaching = (headers: readonly string[], parse: ParseDirectives): OwnCaching => {
  let cacheControl: string | undefined
  let toCdn: Directives | undefined
  let expires: string | undefined
  let pragma = ''
  let tags: string[] | undefined
  let vary = ''
  let setsCookie = false
  for (let index = 0; index < headers.length; index += 2) {
    const field = cachingField(headers[index] as string)
    if (field === undefined) continue
    const value = headers[index + 1] as string
    switch (field) {
      case 'cache-control':
        cacheControl = cacheControl === undefined ? value : joined(cacheControl, value)
        break
      case 'cdn-cache-control': {
        const said = parse(value) ?? UNREADABLE
        toCdn = toCdn === undefined ? said : strictest(toCdn, said)
        break
      }
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
      case 'vary':
        vary = joined(vary, value)
        break
      case 'set-cookie':
        setsCookie = true
        break
    }
  }
  const toAll = saidToAll(
    cacheControl,
    expires,
    expires === undefined ? undefined : fieldValue(headers, 'date'),
    pragma,
    parse,
  )
  return {
    toAll,
    toCdn,
    says: toCdn !== undefined || (toAll !== NOTHING && saysSomething(toAll)),
    isMalformed: toAll === UNREADABLE || tags?.length === 0,
    tags: tags ?? NO_TAGS,
    vary,
    setsCookie,
  }
}

const joined = (one: string, other: string): string => (one === '' ? other : `${one}, ${other}`)

/** `Expires` counts where there is no `max-age`, `Pragma` where there is no `Cache-Control` (RFC 9111 §5.3, §5.4). */
const saidToAll = (
  cacheControl: string | undefined,
  expires: string | undefined,
  date: string | undefined,
  pragma: string,
  parse: ParseDirectives,
): Directives => {
  if (cacheControl === undefined) {
    if (expires === undefined && pragma === '') return NOTHING
    const noCache = /(?:^|,)[ \t]*no-cache[ \t]*(?:,|$)/i.test(pragma)
    return { ...NOTHING, noCache, maxAge: expires === undefined ? undefined : lifetimeSeconds(expires, date) }
  }
  const said = parse(cacheControl) ?? UNREADABLE
  if (expires === undefined || said.maxAge !== undefined || said === UNREADABLE) return said
  return { ...said, maxAge: lifetimeSeconds(expires, date) }
}

const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3]\d [A-Z][a-z]{2} \d{4} [0-2]\d:[0-5]\d:[0-6]\d GMT$/

/** By the reply's own date, so that every instance says the same; 0 where one of the two is none. */
const lifetimeSeconds = (expires: string, date: string | undefined): number => {
  if (date === undefined || !HTTP_DATE.test(expires) || !HTTP_DATE.test(date)) return 0
  const seconds = Math.floor((Date.parse(expires) - Date.parse(date)) / 1_000)
  return seconds > 0 ? seconds : 0
}
