/** What a field of the family of `Cache-Control` says (RFC 9111 §5.2.2, RFC 5861, RFC 8246), read and written. Pure. */
export interface Directives {
  readonly isPublic: boolean
  readonly isPrivate: boolean
  readonly noStore: boolean
  readonly noCache: boolean
  readonly mustRevalidate: boolean
  readonly proxyRevalidate: boolean
  readonly isImmutable: boolean
  /** In seconds, as all that follow. */
  readonly maxAge: number | undefined
  readonly sharedMaxAge: number | undefined
  readonly staleWhileRevalidate: number | undefined
  readonly staleIfError: number | undefined
  /** What has no meaning here, as it was written. */
  readonly others: readonly string[]
}

const NO_OTHERS: readonly string[] = []

export const NOTHING: Directives = {
  isPublic: false,
  isPrivate: false,
  noStore: false,
  noCache: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  isImmutable: false,
  maxAge: undefined,
  sharedMaxAge: undefined,
  staleWhileRevalidate: undefined,
  staleIfError: undefined,
  others: NO_OTHERS,
}

/** Longer times are this long (RFC 9111 §1.2.2). */
const LONGEST_SECONDS = 2_147_483_648

const MEMBER =
  /[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*)"))?[ \t]*)?(?:,|$)/y

/**
 * Reads a field, of several lines the joined value. Directives that are there twice count as the stricter of the two, and so do
 * those that name fields (`private="x"`): as if they named none.
 *
 * @returns undefined where it is malformed: who wrote it meant something that nobody can tell
 */
export const parseDirectives = (value: string): Directives | undefined => {
  const read = { ...NOTHING }
  let others: string[] | undefined
  MEMBER.lastIndex = 0
  while (MEMBER.lastIndex < value.length) {
    const start = MEMBER.lastIndex
    const member = MEMBER.exec(value)
    if (member === null) return undefined
    const name = member[1]
    if (name === undefined) continue // an empty element of the list
    const argument = member[2] ?? member[3]
    switch (name.toLowerCase()) {
      case 'public':
        read.isPublic = true
        break
      case 'private':
        read.isPrivate = true
        break
      case 'no-store':
        read.noStore = true
        break
      case 'no-cache':
        read.noCache = true
        break
      case 'must-revalidate':
        read.mustRevalidate = true
        break
      case 'proxy-revalidate':
        read.proxyRevalidate = true
        break
      case 'immutable':
        read.isImmutable = true
        break
      case 'max-age': {
        const age = seconds(argument)
        if (age === undefined) return undefined
        read.maxAge = shorter(read.maxAge, age)
        break
      }
      case 's-maxage': {
        const age = seconds(argument)
        if (age === undefined) return undefined
        read.sharedMaxAge = shorter(read.sharedMaxAge, age)
        break
      }
      // Some write these without a time, and are not to lose all caching for it.
      case 'stale-while-revalidate':
        read.staleWhileRevalidate = shorter(read.staleWhileRevalidate, seconds(argument) ?? 0)
        break
      case 'stale-if-error':
        read.staleIfError = shorter(read.staleIfError, seconds(argument) ?? 0)
        break
      default:
        others ??= []
        others.push(value.slice(start, MEMBER.lastIndex).replace(/^[ \t]+|[ \t]*,?$/g, ''))
    }
  }
  if (others !== undefined) read.others = others
  return read
}

const seconds = (argument: string | undefined): number | undefined =>
  argument !== undefined && /^[0-9]+$/.test(argument) ? Math.min(Number(argument), LONGEST_SECONDS) : undefined

/** Of two times, either of which may not be given. */
export const shorter = (one: number | undefined, other: number | undefined): number | undefined => {
  if (one === undefined) return other
  return other === undefined || one <= other ? one : other
}

/** What holds where two fields speak to the same cache: the stricter of each. */
export const strictest = (one: Directives, other: Directives): Directives => ({
  isPublic: one.isPublic && other.isPublic,
  isPrivate: one.isPrivate || other.isPrivate,
  noStore: one.noStore || other.noStore,
  noCache: one.noCache || other.noCache,
  mustRevalidate: one.mustRevalidate || other.mustRevalidate,
  proxyRevalidate: one.proxyRevalidate || other.proxyRevalidate,
  isImmutable: one.isImmutable && other.isImmutable,
  maxAge: shorter(one.maxAge, other.maxAge),
  sharedMaxAge: shorter(one.sharedMaxAge, other.sharedMaxAge),
  staleWhileRevalidate: shorter(one.staleWhileRevalidate, other.staleWhileRevalidate),
  staleIfError: shorter(one.staleIfError, other.staleIfError),
  others: [...new Set([...one.others, ...other.others])],
})

/** Whether a shared cache may store what this is said of. */
export const mayBeShared = ({ isPrivate, noStore }: Directives): boolean => !isPrivate && !noStore

/** Whether anything is said of storing or reusing. */
export const saysSomething = (d: Directives): boolean =>
  d.isPublic || d.isPrivate || d.noStore || d.noCache || d.maxAge !== undefined || d.sharedMaxAge !== undefined

/** As it is sent: the same directives always give the same text. Empty where nothing is said. */
export const directivesText = (d: Directives): string => {
  let text = ''
  const add = (directive: string): void => {
    text = text === '' ? directive : `${text}, ${directive}`
  }
  if (d.isPublic) add('public')
  if (d.isPrivate) add('private')
  if (d.noStore) add('no-store')
  if (d.noCache) add('no-cache')
  if (d.maxAge !== undefined) add(`max-age=${d.maxAge}`)
  if (d.sharedMaxAge !== undefined) add(`s-maxage=${d.sharedMaxAge}`)
  if (d.mustRevalidate) add('must-revalidate')
  if (d.proxyRevalidate) add('proxy-revalidate')
  if (d.isImmutable) add('immutable')
  if (d.staleWhileRevalidate !== undefined) add(`stale-while-revalidate=${d.staleWhileRevalidate}`)
  if (d.staleIfError !== undefined) add(`stale-if-error=${d.staleIfError}`)
  for (const other of d.others) add(other)
  return text
}
