import type { Exchange } from './exchange.ts'
import type { Outcome } from './outcome.ts'
import type { Refusal } from './refusal.ts'
import type { Reply, ReplyHead } from './reply.ts'

/** A layer's consent: the request goes on down. Not `undefined`, so that forgetting to answer is a type error and never an admission. */
export const PASS = Symbol('pass')

/** Consent, a refusal, or a reply of the layer's own. */
export type Verdict = typeof PASS | Refusal | Reply

/**
 * A verdict that is not known yet, for the few requests that must ask somebody (a limit that is `exact`, the answer to a
 * challenge). It must come by a deadline of the layer's own: the client waits for it.
 */
export class Later {
  readonly verdict: Promise<Verdict>

  constructor(verdict: Promise<Verdict>) {
    this.verdict = verdict
  }
}

/**
 * One edge concern. A layer has the hooks that it needs and no other; each is a plain call.
 *
 *     admit    down the list, until one refuses or replies; a {@link Later} holds the request up, and no other
 *     recover  up from where a refusal or failure arose, until one makes a reply of it
 *     onReply  up the list, through the layers that admitted the exchange; one may refuse to let the app's reply out
 *     onFinish up the list, once, after the last byte or the abort
 */
export interface Layer {
  readonly name: string
  admit?(exchange: Exchange): Verdict | Later
  recover?(exchange: Exchange, refusal: Refusal): Reply | Refusal
  onReply?(exchange: Exchange, head: ReplyHead): Refusal | undefined
  onFinish?(exchange: Exchange, outcome: Outcome): void
}

/** What a layer that obeys the policy may know of an exchange, and what it may note on it for its own reply. */
export type Facts = Pick<
  Exchange,
  'request' | 'method' | 'path' | 'policy' | 'route' | 'emergency' | 'peer' | 'clientAddress' | 'clientIp' | 'rateLimit'
>

/**
 * A layer that obeys the policy. It sees facts alone, so that it can run beside the active policy on those of a
 * candidate, to tell what that one would refuse.
 */
export interface PolicyLayer {
  readonly name: string
  admit?(facts: Facts): Verdict | Later
  onReply?(facts: Facts, head: ReplyHead): undefined
}
