import { type Directives, mayBeShared, NOTHING, shorter } from './cache-directives.ts'
import type { CacheRule, RuleTime } from './cache-rules.ts'
import type { OwnCaching } from './own-caching.ts'

/** What caches are to be told of a reply. */
export interface CacheDecision {
  /** All of them. */
  readonly toAll: Directives
  /** CDNs, where they are to go by something else. A shared cache may store the reply only by what is said to it. */
  readonly toCdn: Directives | undefined
}

/** What is known of the exchange besides its fields. */
export interface CacheCircumstances {
  /** Whether the reply is of a kind that a policy may make public: to GET or HEAD, with a status that caches know. */
  readonly isRuled: boolean
  /** Whether it is no success. */
  readonly isError: boolean
  /** Whether no shared cache may store it, whatever anybody says. */
  readonly isPersonal: boolean
  readonly isEmergency: boolean
}

const NO_STORE: CacheDecision = { toAll: { ...NOTHING, noStore: true }, toCdn: undefined }
const ASK_EACH_TIME: CacheDecision = { toAll: { ...NOTHING, isPrivate: true, noCache: true }, toCdn: undefined }

/**
 * The stricter of what the policy says and what the app says, for browsers and for the CDN apart:
 *
 * - Nobody is told more than the policy's limits, or more than the app has said.
 * - Times that are no limits are for an app that says nothing.
 * - An app that says nothing, under no rule: the browser may keep the reply, and asks each time.
 * - An error about which the app says nothing is kept by nobody.
 */
export const cacheDecision = (rule: CacheRule, own: OwnCaching, circumstances: CacheCircumstances): CacheDecision => {
  const { isRuled, isError, isPersonal } = circumstances
  if (rule.visibility === 'no-store') return NO_STORE
  if (!own.says) {
    if (isError) return withOthers(NO_STORE, own)
    if (!isRuled || rule.visibility === 'app') return withOthers(ASK_EACH_TIME, own)
    return rule.visibility === 'public' && !isPersonal
      ? ruled(rule, own, circumstances)
      : { toAll: { ...forBrowser(rule, own.toAll), isPublic: false, isPrivate: true }, toCdn: undefined }
  }
  if (isPersonal || rule.visibility === 'private') {
    return { toAll: keptFromOthers(isRuled ? limited(own.toAll, rule) : own.toAll), toCdn: undefined }
  }
  if (isRuled && rule.visibility === 'public') return ruled(rule, own, circumstances)
  // What the app keeps from CDNs alone is kept from all that is shared: some CDNs read `Cache-Control` alone.
  return own.toCdn !== undefined && !mayBeShared(own.toCdn)
    ? { toAll: keptFromOthers(own.toAll), toCdn: undefined }
    : { toAll: own.toAll, toCdn: own.toCdn }
}

const withOthers = ({ toAll, toCdn }: CacheDecision, own: OwnCaching): CacheDecision =>
  own.toAll === NOTHING ? { toAll, toCdn } : { toAll: { ...own.toAll, ...meantBy(toAll) }, toCdn }

/** Of directives, what must be said, so that others beside it stay. */
const meantBy = ({ isPrivate, noStore, noCache }: Directives): Partial<Directives> => ({ isPrivate, noStore, noCache })

/** Under a rule that makes replies public. */
const ruled = (rule: CacheRule, own: OwnCaching, { isEmergency }: CacheCircumstances): CacheDecision => {
  const said = own.toCdn ?? own.toAll
  const toAll = mayBeShared(own.toAll) ? forBrowser(rule, own.toAll) : limited(own.toAll, rule)
  if (!mayBeShared(said)) return { toAll: keptFromOthers(toAll), toCdn: undefined }
  return { toAll, toCdn: forCdn(rule, said, isEmergency ? rule.emergencyCdnMaxAge : rule.cdnMaxAge) }
}

const forBrowser = (rule: CacheRule, said: Directives): Directives => ({
  ...said,
  isPublic: true,
  maxAge: said.noCache ? said.maxAge : timeOf(rule.maxAge, said.maxAge),
  sharedMaxAge: undefined,
  isImmutable: said.isImmutable || (rule.isImmutable && !said.noCache && said.maxAge === undefined),
})

const forCdn = (rule: CacheRule, said: Directives, maxAge: RuleTime): Directives => {
  const saidAge = said.sharedMaxAge ?? said.maxAge
  const mustAsk = said.noCache || said.mustRevalidate || said.proxyRevalidate
  /** An app that gives its own time, and none beyond it, wants none. */
  const beyond = (time: RuleTime, own: number | undefined): number | undefined => {
    if (mustAsk) return undefined
    const seconds = own === undefined && saidAge !== undefined && !time.isLimit ? 0 : timeOf(time, own)
    return seconds === 0 ? undefined : seconds
  }
  return {
    ...NOTHING,
    noCache: said.noCache,
    mustRevalidate: said.mustRevalidate || said.proxyRevalidate,
    maxAge: said.noCache ? 0 : timeOf(maxAge, saidAge),
    staleWhileRevalidate: beyond(rule.staleWhileRevalidate, said.staleWhileRevalidate),
    staleIfError: beyond(rule.staleIfError, said.staleIfError),
  }
}

const timeOf = ({ seconds, isLimit }: RuleTime, said: number | undefined): number =>
  said === undefined || (isLimit && seconds < said) ? seconds : said

/** What the app says, and of its time in browsers no more than the policy allows. */
const limited = (said: Directives, { maxAge, visibility }: CacheRule): Directives =>
  maxAge.isLimit && visibility !== 'app' && said.maxAge !== undefined
    ? { ...said, maxAge: shorter(said.maxAge, maxAge.seconds) }
    : said

/** The same for nobody but the browser. */
const keptFromOthers = (said: Directives): Directives =>
  mayBeShared(said)
    ? { ...said, isPublic: false, isPrivate: true, sharedMaxAge: undefined, proxyRevalidate: false }
    : said
