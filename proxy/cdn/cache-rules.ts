import type { Policy } from '../state/policy/schema.ts'
import { type CacheCircumstances, cacheDecision } from './cache-decision.ts'
import { cacheFields, VENDOR_PROFILES, type VendorProfile } from './cache-fields.ts'
import { CONTENT_KINDS, type ContentKind } from './content-kind.ts'
import { KnownDirectives } from './known-directives.ts'
import { SILENT } from './own-caching.ts'
import { tagsFit } from './tags.ts'

/** A time of a rule, in seconds. Where it is a limit, the app may only say less; else it is for an app that says nothing. */
export interface RuleTime {
  readonly seconds: number
  readonly isLimit: boolean
}

/** What a policy says of caching replies of one kind on one route. */
export interface CacheRule {
  readonly visibility: 'app' | 'public' | 'private' | 'no-store'
  readonly ignoresCookies: boolean
  /** The bytes can never be others. */
  readonly isImmutable: boolean
  readonly maxAge: RuleTime
  readonly cdnMaxAge: RuleTime
  /** In an emergency, and while recovering from one. */
  readonly emergencyCdnMaxAge: RuleTime
  readonly staleWhileRevalidate: RuleTime
  readonly staleIfError: RuleTime
  readonly tags: readonly string[]
  readonly vary: readonly string[]
}

/** What is written on replies about which the app says nothing: names and values in turn. */
interface SilentFields {
  readonly shared: readonly string[]
  readonly sharedInEmergency: readonly string[]
  readonly personal: readonly string[]
  /** On replies with a status that no policy makes public. */
  readonly unruled: readonly string[]
  readonly error: readonly string[]
}

/** A rule with what it leads to most of the time. */
export interface ReadyRule extends CacheRule {
  readonly whenSilent: SilentFields
}

type Said = NonNullable<Policy['routes'][string]['cache']['byType'][ContentKind]>
type Cache = Policy['routes'][string]['cache']

/** The rules of one route, each made when it is first asked for: the most routes never reply with most kinds. */
export class CacheRules {
  /** Whether all kinds have the same rule, so that the kind of a reply need not be known. */
  readonly isUniform: boolean
  /** Whether names with a hash in them have rules of their own. */
  readonly knowsHashedNames: boolean
  readonly #cdn: Policy['cdn']
  readonly #emergencyFactor: number
  readonly #route: Cache | undefined
  readonly #rules: Partial<Record<ContentKind, ReadyRule>> = {}
  readonly #hashed: Partial<Record<ContentKind, ReadyRule>> = {}

  readonly vendor: VendorProfile
  /** Of the apps' replies under these rules. */
  readonly directives = new KnownDirectives()

  /** @param route what it says of caching; undefined for requests that no route matches */
  constructor({ cdn, emergency }: Pick<Policy, 'cdn' | 'emergency'>, route: Cache | undefined) {
    this.vendor = VENDOR_PROFILES[cdn.vendor]
    this.#cdn = cdn
    this.#emergencyFactor = emergency.cdnTtlFactor
    this.#route = route
    this.knowsHashedNames = cdn.hashedNamesAreImmutable
    // What is as the app says has no times of the policy's own, and where nothing is stored there are none.
    const areAll = (fits: (kind: ContentKind) => boolean): boolean => CONTENT_KINDS.every(fits)
    this.isUniform =
      areAll((kind) => this.#visibility(kind) === 'no-store') ||
      areAll((kind) => this.#visibility(kind) === 'app' && !this.#ignoresCookies(kind))
  }

  of(kind: ContentKind): ReadyRule {
    const known = this.#rules[kind]
    if (known !== undefined) return known
    const rule = this.#ready(this.#compiled(kind))
    this.#rules[kind] = rule
    return rule
  }

  /** For names with a hash in them: public for a year, unless the policy says that nobody, or the browser alone, may keep them. */
  ofHashed(kind: ContentKind): ReadyRule {
    const known = this.#hashed[kind]
    if (known !== undefined) return known
    const { visibility, ...rule } = this.#compiled(kind)
    const forever = this.#ready({
      ...rule,
      visibility: visibility === 'app' ? 'public' : visibility,
      isImmutable: true,
      maxAge: A_YEAR,
      cdnMaxAge: A_YEAR,
      emergencyCdnMaxAge: A_YEAR,
      staleWhileRevalidate: NEVER,
      staleIfError: NEVER,
    })
    this.#hashed[kind] = forever
    return forever
  }

  #ready(rule: CacheRule): ReadyRule {
    const fields = (circumstances: Partial<CacheCircumstances>): string[] =>
      cacheFields(cacheDecision(rule, SILENT, { ...USUAL, ...circumstances }), rule.tags, this.vendor)
    const isPersonal = !tagsFit(rule.tags, this.vendor.tags)
    return {
      ...rule,
      whenSilent: {
        shared: fields({ isPersonal }),
        sharedInEmergency: fields({ isPersonal, isEmergency: true }),
        personal: fields({ isPersonal: true }),
        unruled: fields({ isPersonal: true, isRuled: false }),
        error: fields({ isPersonal: true, isRuled: false, isError: true }),
      },
    }
  }

  #said<Field extends keyof Said>(kind: ContentKind, field: Field): Said[Field] {
    return this.#route?.byType[kind]?.[field] ?? this.#route?.[field]
  }

  #visibility(kind: ContentKind): CacheRule['visibility'] {
    return this.#said(kind, 'visibility') ?? this.#cdn.types[kind].visibility
  }

  #ignoresCookies(kind: ContentKind): boolean {
    return this.#said(kind, 'ignoreCookies') ?? this.#cdn.types[kind].ignoreCookies
  }

  #time(kind: ContentKind, field: TimeField): RuleTime {
    const limit = this.#said(kind, field)
    return limit === undefined
      ? { seconds: this.#cdn.types[kind][field], isLimit: false }
      : { seconds: limit, isLimit: true }
  }

  #compiled(kind: ContentKind): CacheRule {
    const maxAge = this.#time(kind, 'maxAgeSeconds')
    // A route that gives a time for browsers alone means it for the CDN, too.
    const isOneForBoth = maxAge.isLimit && this.#said(kind, 'cdnMaxAgeSeconds') === undefined
    const cdnMaxAge = isOneForBoth ? maxAge : this.#time(kind, 'cdnMaxAgeSeconds')
    return {
      visibility: this.#visibility(kind),
      ignoresCookies: this.#ignoresCookies(kind),
      isImmutable: false,
      maxAge,
      cdnMaxAge,
      emergencyCdnMaxAge: {
        ...cdnMaxAge,
        seconds: Math.min(Math.round(cdnMaxAge.seconds * this.#emergencyFactor), YEAR_SECONDS),
      },
      staleWhileRevalidate: this.#time(kind, 'staleWhileRevalidateSeconds'),
      staleIfError: this.#time(kind, 'staleIfErrorSeconds'),
      tags: this.#route?.tags ?? [],
      vary: this.#route?.vary ?? [],
    }
  }
}

type TimeField = 'maxAgeSeconds' | 'cdnMaxAgeSeconds' | 'staleWhileRevalidateSeconds' | 'staleIfErrorSeconds'

/** A reply that a policy may make public. */
const USUAL: CacheCircumstances = { isRuled: true, isError: false, isPersonal: false, isEmergency: false }

const YEAR_SECONDS = 31_536_000
const A_YEAR: RuleTime = { seconds: YEAR_SECONDS, isLimit: false }
const NEVER: RuleTime = { seconds: 0, isLimit: false }
