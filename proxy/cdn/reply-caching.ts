import { isHashedName } from '#shared/content-name.ts'
import { fieldValue, joinedFieldValue } from '../headers.ts'
import type { Facts } from '../layer.ts'
import { type ReplyHead, setHeader } from '../reply.ts'
import { type CacheDecision, cacheDecision } from './cache-decision.ts'
import { cacheFields, type VendorProfile } from './cache-fields.ts'
import type { CacheRule, CacheRules, ReadyRule } from './cache-rules.ts'
import { cachingBits, cachingField, SAYS_HOW_TO_CACHE, SETS_COOKIE, saysHowToCache, VARIES } from './caching-field.ts'
import { type ContentKind, contentKind } from './content-kind.ts'
import { hasCookies } from './has-cookies.ts'
import { type OwnCaching, ownCaching } from './own-caching.ts'
import { mergedTags, tagsFit } from './tags.ts'
import { mergedVary, variesBy, variesByAnything } from './vary.ts'

/** What caching goes by, of an exchange. */
export type CachingFacts = Pick<Facts, 'request' | 'method' | 'path' | 'emergency'>

/** Statuses that a policy may make public: successes, and moves for good. A 304 stands for the reply that it saves sending. */
const isRuledStatus = (status: number): boolean => {
  switch (status) {
    case 200:
    case 203:
    case 204:
    case 206:
    case 300:
    case 301:
    case 304:
    case 308:
      return true
    default:
      return false
  }
}

/**
 * Writes on an app's reply what caches may do with it, in the names that the CDN reads. Says the same wherever it runs: it goes by
 * the policy, the request and the reply alone. Validators, ranges and bodies are no matter of it.
 */
export const writeCaching = (rules: CacheRules, facts: CachingFacts, head: ReplyHead): void => {
  const bits = cachingBits(head.headers)
  const says = (bits & SAYS_HOW_TO_CACHE) !== 0
  const rule = ruleFor(rules, facts, head, says)
  if (rule === undefined) return
  if (says) reconcile(rule, rules, facts, head)
  else writeRule(rule, bits, facts, head)
}

const isRead = ({ method }: CachingFacts): boolean => method === 'GET' || method === 'HEAD'

/** The app says nothing: what the rule leads to is known beforehand. */
const writeRule = (rule: ReadyRule, bits: number, facts: CachingFacts, { status, headers }: ReplyHead): void => {
  const { visibility, whenSilent } = rule
  if (status >= 400) append(headers, whenSilent.error)
  else if (!isRead(facts)) {
    if (visibility === 'no-store') append(headers, whenSilent.unruled) // others no cache keeps
  } else if (!isRuledStatus(status)) append(headers, whenSilent.unruled)
  else {
    const isVaried = rule.vary.length > 0
    const own = isVaried || visibility === 'public' ? varyOf(headers, bits) : ''
    const vary = isVaried ? mergedVary(own, rule.vary) : own
    if (vary !== own) setHeader(headers, 'Vary', vary)
    if (visibility !== 'public' || isPersonalReply(rule, bits, vary, facts)) append(headers, whenSilent.personal)
    else append(headers, facts.emergency === 'calm' ? whenSilent.shared : whenSilent.sharedInEmergency)
  }
}

const varyOf = (headers: readonly string[], bits: number): string =>
  (bits & VARIES) === 0 ? '' : joinedFieldValue(headers, 'vary')

const isPersonalReply = (rule: CacheRule, bits: number, vary: string, facts: CachingFacts): boolean =>
  (bits & SETS_COOKIE) !== 0 || (vary !== '' && variesByAnything(vary)) || isOfOneClient(rule, vary, facts)

const append = (headers: string[], fields: readonly string[]): void => {
  for (const part of fields) headers.push(part)
}

/** The app says something: the stricter of it and the rule is written, unless the app's own fields say that already. */
const reconcile = (rule: ReadyRule, { vendor, directives }: CacheRules, facts: CachingFacts, head: ReplyHead): void => {
  const own = ownCaching(head.headers, directives.parse)
  const isError = head.status >= 400
  const isAnswer = isRead(facts)
  if (!own.says && !isAnswer && !isError && rule.visibility !== 'no-store') return // no cache keeps it
  const isRuled = isAnswer && isRuledStatus(head.status)
  const tags = mergedTags(rule.tags, own.tags)
  const vary = isRuled && rule.vary.length > 0 ? mergedVary(own.vary, rule.vary) : own.vary
  const isPersonal =
    !isAnswer ||
    isError ||
    own.setsCookie ||
    (vary !== '' && variesByAnything(vary)) ||
    !tagsFit(tags, vendor.tags) ||
    isOfOneClient(rule, vary, facts)
  const isEmergency = facts.emergency !== 'calm'
  const decision = cacheDecision(rule, own, { isRuled, isError, isPersonal, isEmergency })
  if (vary !== own.vary) setHeader(head.headers, 'Vary', vary)
  if (!isAsWritten(decision, own, tags, vendor)) replaceCachingFields(head, cacheFields(decision, tags, vendor))
}

/** Undefined for a 304 that does not tell the rule of the reply that it stands for: what a cache has of that one, stays. */
const ruleFor = (
  rules: CacheRules,
  { path }: CachingFacts,
  { status, headers }: ReplyHead,
  says: boolean,
): ReadyRule | undefined => {
  const isHashed = rules.knowsHashedNames && isHashedName(path)
  if (!isHashed && rules.isUniform) return rules.of('other')
  const kind = contentKind(fieldValue(headers, 'content-type'), path)
  if (kind === undefined && status === 304 && !says) return undefined
  return isHashed && isOfFiles(kind) ? rules.ofHashed(kind) : rules.of(kind ?? 'other')
}

/** Whether replies of this kind are files rather than answers, whose names might look hashed by chance. */
const isOfFiles = (kind: ContentKind | undefined): kind is ContentKind =>
  kind !== undefined && kind !== 'html' && kind !== 'json'

/** Whether the request was one that no other client's is like. */
const isOfOneClient = ({ ignoresCookies }: CacheRule, vary: string, { request }: CachingFacts): boolean => {
  const { rawHeaders } = request
  if (fieldValue(rawHeaders, 'authorization') !== undefined) return true
  // An app that says that cookies change its reply knows better than the policy.
  if (ignoresCookies && (vary === '' || !variesBy(vary, 'cookie'))) return false
  return hasCookies(rawHeaders)
}

/** Whether nothing need be written: the app's own fields say it, and say it so that the CDN understands. */
const isAsWritten = (
  { toAll, toCdn }: CacheDecision,
  own: OwnCaching,
  tags: readonly string[],
  vendor: VendorProfile,
): boolean => {
  if (toAll !== own.toAll || toCdn !== undefined || own.toCdn !== undefined || own.isMalformed) return false
  if (vendor.knowsPrivateAlone && (toAll.noCache || (toAll.noStore && !toAll.isPrivate))) return false
  return tags.length === 0
}

const replaceCachingFields = (head: ReplyHead, fields: readonly string[]): void => {
  const { headers } = head
  let kept = 0
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    if (saysHowToCache(cachingField(name))) continue
    headers[kept++] = name
    headers[kept++] = headers[index + 1] as string
  }
  headers.length = kept
  append(headers, fields)
}
