import { parseDirectives } from '../cdn/cache-directives.ts'
import { hasCookies } from '../cdn/has-cookies.ts'
import type { Exchange } from '../exchange.ts'
import { fieldValue, joinedFieldValue } from '../headers.ts'
import type { RefusalKind } from '../refusal.ts'
import type { Policy } from '../state/policy/schema.ts'
import type { Capture } from './capture.ts'
import type { KeptFor } from './keepable.ts'
import { ageOf, type KeptReply } from './kept-reply.ts'
import type { StaleCause } from './served-reply.ts'
import type { Kept } from './stale-store.ts'

export type StaleRule = NonNullable<Policy['routes'][string]['stale']>

/** What the layer `stale-replies` notes on an exchange whose route keeps replies. */
export interface StaleUse {
  readonly key: string
  readonly rule: StaleRule
  /** What there is of this address. */
  readonly kept: Kept | undefined
  /** What the app would have chosen of it for this request. */
  readonly variant: KeptReply | undefined
  /** The same, where it may be served. */
  readonly servable: KeptReply | undefined
  /** Whether this exchange tries an app that has failed, while others are served what is kept. */
  isTry: boolean
  /** Whether the app has answered, with an error of its own. */
  isAnswered: boolean
  /** Of purges, when the exchange began. */
  readonly generation: number
  /** Of addresses that were written to, when the exchange began. */
  readonly writes: number
  /** The reply's body, while it comes. */
  capture: Capture | undefined
}

/** What is kept is for everyone: nothing is, and nothing is served, that somebody's credentials may have chosen. */
export const asksForWhatIsKept = (exchange: Exchange): boolean => {
  const { method, hasBody, isHandshake, request } = exchange
  if ((method !== 'GET' && method !== 'HEAD') || hasBody || isHandshake) return false
  const { rawHeaders } = request
  return fieldValue(rawHeaders, 'authorization') === undefined
}

/** Whether neither the policy nor the app keeps a reply from those who share, nor may cookies have chosen it. */
export const isForEveryone = (
  { route, request }: Exchange,
  { kind, isSaid }: Pick<KeptReply, 'kind' | 'isSaid'>,
): boolean => {
  const rule = route?.caching.of(kind)
  if (rule === undefined || (!rule.ignoresCookies && hasCookies(request.rawHeaders))) return false
  return rule.visibility === 'public' || (rule.visibility === 'app' && isSaid)
}

export const keptFor = ({ request, path, route }: Exchange): KeptFor => ({
  rawHeaders: request.rawHeaders,
  path,
  tags: route?.policy.cache.tags ?? [],
})

/** Of whoever says `no-store` nothing is kept (RFC 9111 §5.2.1.5). */
export const mayKeepFor = ({ method, request }: Exchange): boolean =>
  method === 'GET' &&
  fieldValue(request.rawHeaders, 'range') === undefined &&
  parseDirectives(joinedFieldValue(request.rawHeaders, 'cache-control'))?.noStore === false

export const keyOf = ({ target, from }: Exchange): string =>
  `${from.scheme} ${target?.host.toLowerCase()} ${target?.pathAndQuery}`

/** Whether it is not too old, by what the app and the operator say. */
export const isServable = (reply: KeptReply, { keepSeconds }: StaleRule, nowMs: number): boolean => {
  const keptMs = nowMs - reply.receivedAtMs
  return keptMs <= keepSeconds * 1_000 && ageOf(reply, nowMs) < reply.servableSeconds
}

const CAUSES: { readonly [Kind in RefusalKind]?: StaleCause } = {
  'upstream-unreachable': 'unreachable',
  'upstream-failed': 'error',
  'upstream-busy': 'busy',
  'upstream-timeout': 'timeout',
  deadline: 'timeout',
  'callers-deadline': 'timeout',
  'queue-deadline': 'busy',
  'circuit-open': 'circuit-open',
}

/** Why a kept reply takes the place of a refusal; undefined where it does not. */
export const causeOf = (kind: RefusalKind): StaleCause | undefined => CAUSES[kind]
