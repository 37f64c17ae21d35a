import type { Clock } from '#shared/clock.ts'
import { contentKind } from '../cdn/content-kind.ts'
import type { Exchange } from '../exchange.ts'
import { fieldValue } from '../headers.ts'
import { type Layer, PASS } from '../layer.ts'
import { refusal } from '../refusal.ts'
import type { Reply, ReplyHead } from '../reply.ts'
import type { AppliedPurges } from '../stale/applied-purges.ts'
import { Capture } from '../stale/capture.ts'
import { keepable } from '../stale/keepable.ts'
import { copiedFields, type KeptReply } from '../stale/kept-reply.ts'
import { renewed } from '../stale/renewed.ts'
import { type StaleCause, servedReply } from '../stale/served-reply.ts'
import { type StaleStore, variantFor } from '../stale/stale-store.ts'
import { asksForWhatIsKept, causeOf, isServable, keyOf, mayKeepFor, type StaleUse } from '../stale/stale-use.ts'
import { tagsOf } from '../stale/tags-of.ts'

/** What is younger than this is not kept anew: to copy every reply of a busy address would cost more than it is worth. */
const RENEWED_AFTER_MS = 1_000

/**
 * Keeps the last good replies of routes that say so, and serves them while the app fails:
 *
 *     keep   a good public reply, once its last byte has gone out; a 304 of the app makes what is kept as good as new
 *     serve  in the place of a refusal that is the app's fault, or of its own 5xx
 *     try    once the app has failed at an address, one request at a time tries it, and the others are served what is
 *            kept at once, until it answers
 */
export const staleReplies = (store: StaleStore, purges: AppliedPurges, clock: Clock): Layer => {
  const serve = (exchange: Exchange, reply: KeptReply, cause: StaleCause): Reply => {
    exchange.staleCause = cause
    store.served.set(cause, (store.served.get(cause) ?? 0) + 1)
    return servedReply(reply, exchange.request.rawHeaders, cause, clock.monotonicMs())
  }

  /** What may be served, unless it has been purged since the request came. */
  const servableOf = ({ servable, generation }: StaleUse): KeptReply | undefined =>
    servable === undefined || purges.hasPurged(generation, servable) ? undefined : servable

  const keep = ({ policy }: Exchange, { key, generation }: StaleUse, reply: KeptReply | undefined): void => {
    if (reply === undefined || purges.hasPurged(generation, reply)) return
    store.put(key, reply, policy.policy.stale.storeBytes)
  }

  return {
    name: 'stale-replies',

    admit(exchange) {
      const rule = exchange.route?.policy.stale
      if (rule === undefined || !asksForWhatIsKept(exchange)) return PASS
      const { generation } = purges
      const key = keyOf(exchange)
      const kept = store.get(key)
      const variant = kept === undefined ? undefined : variantFor(kept, exchange.request.rawHeaders)
      const servable = variant !== undefined && isServable(variant, rule, clock.monotonicMs()) ? variant : undefined
      const isTroubled = kept?.isTroubled === true && servable !== undefined
      if (isTroubled && kept.isTried) return serve(exchange, servable, 'refilling')
      if (isTroubled) kept.isTried = true
      exchange.stale = { key, rule, kept, variant, servable, isTry: isTroubled, generation, capture: undefined }
      return PASS
    },

    onReply(exchange, head) {
      const { stale } = exchange
      if (stale === undefined || exchange.isOwn) return undefined
      if (head.status >= 500) {
        return servableOf(stale) === undefined
          ? undefined
          : refusal('upstream-failed', `the app answered ${head.status}`)
      }
      if (stale.kept !== undefined) stale.kept.isTroubled = stale.kept.isTried = false
      const nowMs = clock.monotonicMs()
      if (head.status === 304) keep(exchange, stale, renewedOf(exchange, stale, head, nowMs))
      else stale.capture = captureOf(exchange, stale, head, nowMs)
      return undefined
    },

    recover(exchange, refused) {
      const { stale } = exchange
      const cause = causeOf(refused.kind)
      const servable = stale === undefined ? undefined : servableOf(stale)
      if (servable === undefined || cause === undefined) return refused
      if (stale?.kept !== undefined) stale.kept.isTroubled = true
      return serve(exchange, servable, cause)
    },

    onFinish(exchange, { kind }) {
      const { stale } = exchange
      if (stale === undefined) return
      if (stale.isTry && stale.kept !== undefined) stale.kept.isTried = false
      if (kind === 'replied') keep(exchange, stale, stale.capture?.reply())
    },
  }
}

const captureOf = (exchange: Exchange, stale: StaleUse, head: ReplyHead, nowMs: number): Capture | undefined => {
  const { rule, variant } = stale
  if (!mayKeepFor(exchange) || !isForEveryone(exchange, head)) return undefined
  if (variant !== undefined && nowMs - variant.receivedAtMs < RENEWED_AFTER_MS) return undefined
  if (Number(fieldValue(head.headers, 'content-length') ?? 0) > rule.bodyBytes) return undefined
  const found = keepable(exchange.request.rawHeaders, head.status, head.headers)
  if (found === undefined) return undefined
  const { status, statusText } = head
  const headers = copiedFields(head.headers)
  const [pathAndQuery = ''] = copiedFields([exchange.target?.pathAndQuery ?? ''])
  const tags = tagsOf(headers, exchange.route?.policy.cache.tags ?? [])
  return new Capture({ ...found, status, statusText, headers, pathAndQuery, tags, receivedAtMs: nowMs }, rule.bodyBytes)
}

/** Whether the policy does not keep replies of this type from those who share. */
const isForEveryone = ({ route, path }: Exchange, { headers }: ReplyHead): boolean => {
  const kind = contentKind(fieldValue(headers, 'content-type') ?? '', path) ?? 'other'
  const visibility = route?.caching.of(kind).visibility
  return visibility === 'public' || visibility === 'app'
}

const renewedOf = (exchange: Exchange, { variant }: StaleUse, head: ReplyHead, nowMs: number): KeptReply | undefined =>
  variant === undefined ? undefined : renewed(variant, exchange.request.rawHeaders, head, nowMs)
