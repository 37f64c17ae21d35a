import type { Exchange } from './exchange.ts'
import type { Outcome } from './outcome.ts'
import type { Refusal } from './refusal.ts'
import type { Reply, ReplyHead } from './reply.ts'

/** A layer's consent: the request goes on down. Not `undefined`, so that forgetting to answer is a type error and never an admission. */
export const PASS = Symbol('pass')

/** Consent, a refusal, or a reply of the layer's own. */
export type Verdict = typeof PASS | Refusal | Reply

/**
 * One edge concern. A layer has the hooks that it needs and no other; each is a plain call, none is awaited.
 *
 *     admit    down the list, until one refuses or replies
 *     recover  up from where a refusal or failure arose, until one makes a reply of it
 *     onReply  up the list, through the layers that admitted the exchange
 *     onFinish up the list, once, after the last byte or the abort
 */
export interface Layer {
  readonly name: string
  admit?(exchange: Exchange): Verdict
  recover?(exchange: Exchange, refusal: Refusal): Reply | Refusal
  onReply?(exchange: Exchange, head: ReplyHead): void
  onFinish?(exchange: Exchange, outcome: Outcome): void
}
