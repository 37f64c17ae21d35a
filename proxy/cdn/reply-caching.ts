import { isHashedName } from '#shared/content-name.ts'
import { fieldValue } from '../headers.ts'
import type { Facts } from '../layer.ts'
import { type ReplyHead, setHeader } from '../reply.ts'
import { withoutOwnCookie } from '../state/challenge/clearance-fields.ts'
import { type CacheDecision, cacheDecision } from './cache-decision.ts'
import { cacheFields, type VendorProfile } from './cache-fields.ts'
import type { CacheRule, CacheRules } from './cache-rules.ts'
import { type ContentKind, contentKind } from './content-kind.ts'
import { isCachingField, type OwnCaching, ownCaching } from './own-caching.ts'
import { areSendable, mergedTags } from './tags.ts'
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
export const writeCaching = (rules: CacheRules, vendor: VendorProfile, facts: CachingFacts, head: ReplyHead): void => {
  const own = ownCaching(head.headers)
  const isRead = facts.method === 'GET' || facts.method === 'HEAD'
  const isError = head.status >= 400
  const rule = ruleFor(rules, own, facts, head.status)
  if (rule === undefined) return
  if (!isRead && !isError && !own.says && rule.visibility !== 'no-store') return // no cache keeps it
  const isRuled = isRead && isRuledStatus(head.status)
  const tags = mergedTags(rule.tags, own.tags)
  const vary = isRuled && rule.vary.length > 0 ? mergedVary(own.vary, rule.vary) : own.vary
  const isPersonal =
    mightBeShared(rule, own) &&
    (!isRead ||
      isError ||
      own.setsCookie ||
      (vary !== '' && variesByAnything(vary)) ||
      !tagsFit(tags, vendor) ||
      isOfOneClient(rule, vary, facts))
  const isEmergency = facts.emergency !== 'calm'
  const decision = cacheDecision(rule, own, { isRuled, isError, isPersonal, isEmergency })
  if (vary !== own.vary) setHeader(head.headers, 'Vary', vary)
  if (!isAsWritten(decision, own, tags, vendor)) {
    replaceCachingFields(head, cacheFields(decision, tags, vendor))
  }
}

/** Undefined for a 304 that does not tell the rule of the reply that it stands for: what a cache has of that one, stays. */
const ruleFor = (rules: CacheRules, own: OwnCaching, { path }: CachingFacts, status: number): CacheRule | undefined => {
  const isHashed = rules.knowsHashedNames && isHashedName(path)
  if (!isHashed && rules.isUniform) return rules.of('other')
  const kind = contentKind(own.contentType, path)
  if (kind === undefined && status === 304 && !own.says) return undefined
  return isHashed && isOfFiles(kind) ? rules.ofHashed(kind) : rules.of(kind ?? 'other')
}

/** Whether replies of this kind are files rather than answers, whose names might look hashed by chance. */
const isOfFiles = (kind: ContentKind | undefined): kind is ContentKind =>
  kind !== undefined && kind !== 'html' && kind !== 'json'

const mightBeShared = (rule: CacheRule, own: OwnCaching): boolean =>
  rule.visibility === 'public' || (rule.visibility === 'app' && own.says)

const tagsFit = (tags: readonly string[], vendor: VendorProfile): boolean => {
  if (tags.length === 0) return true
  return areSendable(tags, vendor.tags.some(({ separator }) => separator === ',') ? ',' : ' ')
}

/** Whether the request was one that no other client's is like. */
const isOfOneClient = ({ ignoresCookies }: CacheRule, vary: string, { request }: CachingFacts): boolean => {
  const { rawHeaders } = request
  if (fieldValue(rawHeaders, 'authorization') !== undefined) return true
  // An app that says that cookies change its reply knows better than the policy.
  if (ignoresCookies && (vary === '' || !variesBy(vary, 'cookie'))) return false
  return hasCookies(rawHeaders)
}

/** Whether there are cookies, besides the clearance, which the app never sees. */
const hasCookies = (rawHeaders: readonly string[]): boolean => {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length !== 6 || name.toLowerCase() !== 'cookie') continue
    if (withoutOwnCookie(rawHeaders[index + 1] as string) !== '') return true
  }
  return false
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
    if (isCachingField(name)) continue
    headers[kept++] = name
    headers[kept++] = headers[index + 1] as string
  }
  headers.length = kept
  headers.push(...fields)
}
