import type { CacheDecision } from './cache-decision.ts'
import { type Directives, directivesText, mayBeShared, NOTHING } from './cache-directives.ts'
import type { TagField } from './tags.ts'

/** How a CDN is told. */
export interface VendorProfile {
  /** Fields for what is said to it apart; none where all that it reads is `Cache-Control`. */
  readonly directives: readonly string[]
  readonly tags: readonly TagField[]
  /** On replies of Sidegate's own. */
  readonly nothingKept: string
  /** Whether of what forbids to store or to reuse it goes by `private`, and by times, alone. */
  readonly knowsPrivateAlone: boolean
}

const SURROGATE_KEY = { name: 'Surrogate-Key', separator: ' ' } as const
const CACHE_TAG = { name: 'Cache-Tag', separator: ',' } as const

export const VENDOR_PROFILES: Readonly<Record<'cloudflare' | 'fastly' | 'cloudfront' | 'generic', VendorProfile>> = {
  cloudflare: {
    directives: ['CDN-Cache-Control'],
    tags: [CACHE_TAG],
    nothingKept: 'no-store',
    knowsPrivateAlone: false,
  },
  fastly: {
    directives: ['Surrogate-Control'],
    tags: [SURROGATE_KEY],
    nothingKept: 'private, no-store',
    knowsPrivateAlone: true,
  },
  // It reads `s-maxage` and the stale times from `Cache-Control`, and purges by path.
  cloudfront: { directives: [], tags: [], nothingKept: 'no-store', knowsPrivateAlone: false },
  generic: {
    directives: ['CDN-Cache-Control', 'Surrogate-Control'],
    tags: [SURROGATE_KEY, CACHE_TAG],
    nothingKept: 'no-store',
    knowsPrivateAlone: false,
  },
}

/** Whether a shared cache may store a reply about which this was decided. */
const isShared = ({ toAll, toCdn }: CacheDecision): boolean => mayBeShared(toCdn ?? toAll)

/** The fields that tell caches of a decision: names and values in turn. */
export const cacheFields = (decision: CacheDecision, tags: readonly string[], vendor: VendorProfile): string[] => {
  const { toAll, toCdn } = decision
  const fields: string[] = []
  const add = (name: string, value: string): void => {
    if (value !== '') fields.push(name, value)
  }
  if (vendor.directives.length === 0) add('Cache-Control', directivesText(inOne(decision)))
  else {
    add('Cache-Control', directivesText(vendor.knowsPrivateAlone ? withPrivate(toAll) : toAll))
    const apart = vendor.knowsPrivateAlone ? inTimes(toCdn ?? toAll, toCdn !== undefined) : toCdn
    if (apart !== undefined) {
      const text = directivesText({ ...apart, others: dictionaryMembers(apart.others) })
      for (const name of vendor.directives) add(name, text)
    }
  }
  if (isShared(decision) && tags.length > 0) {
    for (const { name, separator } of vendor.tags) fields.push(name, tags.join(separator))
  }
  return fields
}

/** What is said to a CDN and to all, said to all. */
const inOne = ({ toAll, toCdn }: CacheDecision): Directives => {
  if (toCdn === undefined || !mayBeShared(toAll)) return toAll
  const sharedMaxAge = toCdn.noCache ? 0 : toCdn.maxAge
  return {
    ...toAll,
    sharedMaxAge: sharedMaxAge === toAll.maxAge ? undefined : sharedMaxAge,
    proxyRevalidate: toAll.proxyRevalidate || toCdn.mustRevalidate,
    staleWhileRevalidate: toCdn.staleWhileRevalidate,
    staleIfError: toCdn.staleIfError,
  }
}

const DICTIONARY_MEMBER =
  /^([a-z*][a-z0-9_.*-]*)(?:=(?:[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z-]*|-?\d{1,15}|"(?:[ !#-[\]-~]|\\["\\])*"))?$/

/** Of directives that have no meaning here, those that RFC 9213 §2.1 has room for, none twice. */
const dictionaryMembers = (others: readonly string[]): readonly string[] => {
  const members = new Map<string, string>()
  for (const other of others) {
    const key = DICTIONARY_MEMBER.exec(other)?.[1]
    if (key !== undefined) members.set(key, other)
  }
  return [...members.values()]
}

const withPrivate = (said: Directives): Directives =>
  said.noStore && !said.isPrivate ? { ...said, isPublic: false, isPrivate: true } : said

/** Undefined where `Cache-Control` says it as well. */
const inTimes = (said: Directives, isApart: boolean): Directives | undefined => {
  if (said.noCache && mayBeShared(said)) return { ...NOTHING, maxAge: 0 }
  return isApart ? said : undefined
}
