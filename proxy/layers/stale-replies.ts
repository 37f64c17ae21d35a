import type { Clock } from '#shared/clock.ts'
import { copiedText } from '#shared/copied-text.ts'
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
import {
  asksForWhatIsKept,
  causeOf,
  isForEveryone,
  isServable,
  keptFor,
  keyOf,
  mayKeepFor,
  type StaleUse,
} from '../stale/stale-use.ts'
import { WrittenAddresses } from '../stale/written-addresses.ts'

/** What is younger than this is not kept anew: to copy every reply of a busy address would cost more than it is worth. */
const RENEWED_AFTER_MS = 1_000

/**
 * Keeps the last good replies of routes that say so, and serves them while the app fails:
 *
 *     keep   a good public reply, once its last byte has gone out; a 304 of the app makes what is kept as good as new
 *     serve  in the place of a refusal that is the app's fault, or of its own 5xx
 *     try    once the app has not answered at an address, one request at a time tries it, and the others are served what is
 *            kept at once, until it answers
 *     drop   what the app has taken back, or has been asked to change
 */
export const staleReplies = (store: StaleStore, purges: AppliedPurges, clock: Clock): Layer => {
  const written = new WrittenAddresses()
  /** Exchanges whose replies may be kept. */
  let underWay = 0

  const serve = (exchange: Exchange, reply: KeptReply, cause: StaleCause): Reply => {
    exchange.staleCause = cause
    store.served.set(cause, (store.served.get(cause) ?? 0) + 1)
    return servedReply(reply, exchange.request.rawHeaders, cause, clock.monotonicMs())
  }

  /** What may be served, unless it has been purged since the request came, or the policy has been changed. */
  const servableOf = (exchange: Exchange, { servable, generation }: StaleUse): KeptReply | undefined =>
    servable === undefined || purges.hasPurged(generation, servable) || !isForEveryone(exchange, servable)
      ? undefined
      : servable

  const keep = ({ policy }: Exchange, { key, generation, writes }: StaleUse, reply: KeptReply | undefined): void => {
    if (reply === undefined || purges.hasPurged(generation, reply) || written.hasWritten(writes, key)) return
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
      const isTroubled = kept?.isTroubled === true && servable !== undefined && isForEveryone(exchange, servable)
      if (isTroubled && kept.isTried) return serve(exchange, servable, 'refilling')
      if (isTroubled) kept.isTried = true
      underWay++
      exchange.stale = {
        key,
        rule,
        kept,
        variant,
        servable,
        isTry: isTroubled,
        isAnswered: false,
        generation,
        writes: written.number,
        capture: undefined,
      }
      return PASS
    },

    onReply(exchange, head) {
      const { stale } = exchange
      if (exchange.isOwn) return undefined
      if (isUnsafe(exchange) && head.status < 400 && (store.size > 0 || underWay > 0)) {
        const key = keyOf(exchange)
        store.drop(key) // RFC 9111 §4.4
        written.add(key)
      }
      if (stale === undefined) return undefined
      if (isFailure(head.status)) {
        const why = exchange.excuse ?? refusal('upstream-failed', `the app answered ${head.status}`)
        if (causeOf(why.kind) === undefined || servableOf(exchange, stale) === undefined) return undefined
        stale.isAnswered = true
        return why
      }
      if (stale.kept !== undefined) stale.kept.isTroubled = false
      giveUpTry(stale)
      if (stale.variant !== undefined && isOver(exchange, head, stale.variant)) store.forget(stale.key, stale.variant)
      const nowMs = clock.monotonicMs()
      if (head.status === 304) keep(exchange, stale, renewedOf(exchange, stale, head, nowMs))
      else stale.capture = captureOf(store, exchange, stale, head, nowMs)
      return undefined
    },

    recover(exchange, refused) {
      const { stale } = exchange
      const cause = causeOf(refused.kind)
      const servable = stale === undefined ? undefined : servableOf(exchange, stale)
      if (servable === undefined || cause === undefined) return refused
      if (stale?.kept !== undefined) {
        // What the app answers may be the request's doing, and how long it may take the caller's: only what it does not
        // answer for no such reason troubles the others.
        if (!stale.isAnswered && refused.text.fault !== 'client') stale.kept.isTroubled = true
        giveUpTry(stale) // it has failed: how slowly the client reads what it gets instead keeps no other one from trying
      }
      return serve(exchange, servable, cause)
    },

    onFinish(exchange, { kind }) {
      const { stale } = exchange
      if (stale === undefined) return
      underWay--
      giveUpTry(stale)
      if (kind === 'replied') keep(exchange, stale, stale.capture?.reply())
      stale.capture?.release()
    },
  }
}

/** Whether the app has taken back what is kept: by a newer reply that may not be, or by none. */
const isOver = (exchange: Exchange, { status, headers }: ReplyHead, variant: KeptReply): boolean => {
  if (status === 404 || status === 410) return true
  if (status >= 400) return false
  if (status === 206) return false
  const found = keepable(keptFor(exchange), status === 304 ? variant.status : status, headers)
  return found === undefined || (status !== 304 && !isForEveryone(exchange, found))
}

const giveUpTry = (stale: StaleUse): void => {
  if (stale.isTry && stale.kept !== undefined) stale.kept.isTried = false
  stale.isTry = false
}

const isUnsafe = ({ method }: Exchange): boolean =>
  method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS' && method !== 'TRACE'

/** 501 and 505 tell of the request. */
const isFailure = (status: number): boolean => status >= 500 && status !== 501 && status !== 505

const captureOf = (
  store: StaleStore,
  exchange: Exchange,
  stale: StaleUse,
  head: ReplyHead,
  nowMs: number,
): Capture | undefined => {
  const { rule, variant } = stale
  const { storeBytes } = exchange.policy.policy.stale
  const limitBytes = Math.min(rule.bodyBytes, storeBytes >> 3)
  if (!mayKeepFor(exchange)) return undefined
  if (variant !== undefined && nowMs - variant.receivedAtMs < RENEWED_AFTER_MS) return undefined
  if (Number(fieldValue(head.headers, 'content-length') ?? 0) > limitBytes) return undefined
  const found = keepable(keptFor(exchange), head.status, head.headers)
  if (found === undefined || !isForEveryone(exchange, found)) return undefined
  const [statusText, pathAndQuery] = [copiedText(head.statusText), copiedText(exchange.target?.pathAndQuery ?? '')]
  const kept = { ...found, status: head.status, statusText, headers: copiedFields(head.headers), pathAndQuery }
  return new Capture({ ...kept, receivedAtMs: nowMs }, limitBytes, store.underWay, storeBytes >> 1)
}

const renewedOf = (
  exchange: Exchange,
  { variant, kept }: StaleUse,
  head: ReplyHead,
  nowMs: number,
): KeptReply | undefined =>
  variant === undefined || kept?.replies.includes(variant) !== true
    ? undefined
    : renewed(variant, keptFor(exchange), head, nowMs)
